# Stand-in for golang:alpine: the Go tool chain of Debian over busybox, and nothing else.
FROM golang:latest AS full
RUN <<EOF
set -e
mkdir -p /out/bin /out/tmp /out/root /out/etc/ssl/certs /out/usr/bin /out/usr/lib /out/usr/share
chmod 1777 /out/tmp
cp /usr/bin/busybox /out/bin/busybox
for applet in $(/out/bin/busybox --list); do [ -e "/out/bin/$applet" ] || ln -s busybox "/out/bin/$applet"; done
cp -a /usr/lib/go-1.19 /out/usr/lib/
cp -a /usr/share/go-1.19 /out/usr/share/
ln -s ../lib/go-1.19/bin/go /out/usr/bin/go
cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/
printf 'root:x:0:0:root:/root:/bin/sh\n' >/out/etc/passwd
printf 'root:x:0:\n' >/out/etc/group
EOF
FROM scratch
COPY --from=full /out/ /
# go and its tools are linked against the C library
COPY --from=full --parents /lib64/ld-linux-x86-64.so.* /lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/libpthread.so.0 /
ENV CGO_ENABLED=0
CMD ["/bin/sh"]
