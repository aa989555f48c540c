# What a newcomer needs. Everything else is in HACKING.md.
BUILD   ?= build
MESON   ?= /usr/bin/meson
NINJA   ?= ninja
PREFIX  ?= /usr/local

all: $(BUILD)/build.ninja
	$(NINJA) -C $(BUILD)

$(BUILD)/build.ninja:
	$(MESON) setup $(BUILD) --prefix $(PREFIX)

# Installs what is needed, builds, and makes the article's six images.
demo:
	tools/install-deps build demo
	$(MAKE) all
	tools/demo

# Installs what the tests need, then runs all of them; the last line counts.
check:
	tools/install-deps build test
	tools/run-checks

# Side by side with docker's BuildKit, buildah and docker-registry on the same input.
bench:
	tools/install-deps build bench
	$(MAKE) all
	bench/run
	bench/serve
	bench/transfer

install: all
	$(MESON) configure $(BUILD) --prefix $(PREFIX)
	DESTDIR="$(DESTDIR)" $(MESON) install -C $(BUILD) --quiet

clean:
	rm -rf build build-*

.PHONY: all demo check bench install clean
