# The real Alpine root file system, with the package repository that the demo serves on loopback.
FROM alpine-rootfs
ARG REPOSITORY
COPY *.rsa.pub /etc/apk/keys/
RUN echo "$REPOSITORY" >/etc/apk/repositories
