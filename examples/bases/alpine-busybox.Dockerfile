# Stand-in for alpine where its root file system is not at hand: Debian's static busybox.
FROM golang:latest AS full
RUN mkdir -p /out/bin /out/etc /out/tmp && chmod 1777 /out/tmp && cp /usr/bin/busybox /out/bin/busybox && \
    for applet in $(/out/bin/busybox --list); do [ -e "/out/bin/$applet" ] || ln -s busybox "/out/bin/$applet"; done
FROM scratch
COPY --from=full /out/ /
CMD ["/bin/sh"]
