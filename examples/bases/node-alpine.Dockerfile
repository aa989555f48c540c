# Stand-in for node:alpine. Debian has no node for musl: this is Debian's node with the libraries it links, its
# npm, and busybox, and nothing else.
FROM node:latest AS full
RUN <<EOF
set -e
mkdir -p /out/bin /out/tmp /out/root /out/etc /out/usr/bin /out/usr/share
chmod 1777 /out/tmp
cp /usr/bin/busybox /out/bin/busybox
for applet in $(/out/bin/busybox --list); do [ -e "/out/bin/$applet" ] || ln -s busybox "/out/bin/$applet"; done
cp -L /usr/bin/node /out/usr/bin/node
for library in $(ldd /usr/bin/node | grep -o '/[^ ]*'); do
	mkdir -p "/out$(dirname "$library")"
	cp -L "$library" "/out$library"
done
cp -a /usr/share/nodejs /out/usr/share/
cp -a /usr/share/node_modules /out/usr/share/ 2>/dev/null || true
cp -a /usr/bin/npm /out/usr/bin/
ln -s ../../bin/busybox /out/usr/bin/env
find /out/usr/share -type f \( -name '*.d.ts' -o -name '*.map' -o -name '*.md' \) -delete
printf 'root:x:0:0:root:/root:/bin/sh\n' >/out/etc/passwd
printf 'root:x:0:\n' >/out/etc/group
EOF
FROM scratch
COPY --from=full /out/ /
CMD ["node"]
