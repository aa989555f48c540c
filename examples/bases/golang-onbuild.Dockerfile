# Stand-in for golang:onbuild: the same triggers as the image the article builds on.
FROM golang:latest
COPY go-wrapper /usr/local/bin/
RUN mkdir -p /go/src/app
WORKDIR /go/src/app
CMD ["go-wrapper", "run"]
ONBUILD COPY . /go/src/app
ONBUILD RUN go-wrapper download
ONBUILD RUN go-wrapper install
