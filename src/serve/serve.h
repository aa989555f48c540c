/*
 * The store as an OCI registry (distribution-spec 1.1) over HTTP: docs/SERVE.md. One thread a connection (of
 * libmicrohttpd): a request may wait for a disk, a lock or an upstream without keeping others, and a blob goes from its
 * file to the socket by sendfile.
 */
#pragma once

#include "serve/upstream.h"
#include "store/store.h"

typedef struct ServeOptions {
	const char *host; /* an address or a name that is one here; "[…]" for IPv6 */
	unsigned port;    /* 0: any free one */
	const char *htpasswd;
	const char *tls_cert, *tls_key;
	bool read_only;
	const Upstream *mirror; /* NULL: none */
	int access_fd;          /* of the access log, -1: none */
	uint64_t max_blob;      /* bytes; 0: SERVE_MAX_BLOB */
	unsigned max_connections;
	unsigned idle_seconds;  /* a connection without a byte either way */
	unsigned grace_seconds; /* for running answers at the end */
	/* for tests and benchmarks */
	uint64_t limit_rate; /* bytes a second of each connection; 0: none */
	unsigned delay_ms;   /* before each answer */
	const StrVec *fail;  /* serve/faults.h */
	/* Called once it listens, with the address ("127.0.0.1:5000"). */
	void (*listening)(void *arg, const char *address);
	void *arg;
	bool (*stop)(void); /* asked a few times a second: true ends serve_run */
} ServeOptions;
#define SERVE_MAX_BLOB        (UINT64_C(1) << 40)
#define SERVE_MAX_CONNECTIONS 512
#define SERVE_IDLE_SECONDS    60
#define SERVE_GRACE_SECONDS   10

/* Serves until stop() says so. The store's lock is given back for the time (store/kept.h). */
int serve_run(Store *s, const ServeOptions *o, Err **err) _warn_unused_;
/* "HOST:PORT", "[v6]:PORT", ":PORT" or "PORT". *ret_host owned. */
int serve_address(const char *text, char **ret_host, unsigned *ret_port, Err **err) _warn_unused_;
bool serve_is_loopback(const char *host);
