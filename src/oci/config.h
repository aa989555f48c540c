/*
 * Image config (OCI image-spec config.md plus Docker's extension fields: Healthcheck, OnBuild,
 * Shell, ArgsEscaped). Unknown keys of a base survive: `raw` keeps the document and config_text
 * patches the known fields into it. Not so the legacy members of Docker about the container the
 * base was committed from (container, container_config, id, parent, docker_version …): they stay
 * in raw and would be wrong in what config_text describes. (spec: build.md 1–13)
 */
#pragma once

#include "base/vec.h"
#include "oci/descriptor.h"

typedef struct History {
	char *created;                       /* owned RFC 3339, may be NULL */
	char *created_by, *author, *comment; /* owned, may be NULL */
	bool empty_layer;
} History;

typedef struct Healthcheck {
	bool present;
	StrVec test; /* ["NONE"], ["CMD", …], ["CMD-SHELL", "…"] */
	int64_t interval, timeout, start_period, start_interval; /* nanoseconds, 0 = inherit */
	int64_t retries;
} Healthcheck;

typedef struct ImageConfig {
	json_t *raw; /* owned: the parsed document, or NULL for a new one */
	char *created, *author;
	Platform platform;
	/* config.* */
	char *user, *working_dir, *stop_signal;
	StrVec env; /* "K=V" in order */
	StrVec entrypoint, cmd, shell, on_build;
	bool has_entrypoint, has_cmd, has_shell; /* null and [] differ */
	bool args_escaped;
	StrVec labels;                 /* "K=V", sorted by key on output */
	StrVec exposed_ports, volumes; /* keys, sorted on output */
	Healthcheck healthcheck;
	/* rootfs and history */
	VEC(Digest) diff_ids;
	VEC(History) history;
} ImageConfig;

int config_parse(Str text, const char *name, ImageConfig *ret, Err **err) _warn_unused_;
/*
 * Deterministic JSON (sorted keys, `<>&` as they are); owned. Empty fields are left out as
 * BuildKit leaves them out: Cmd and Entrypoint [] read back as absent, which means the same to
 * whatever runs the image.
 */
char *config_text(const ImageConfig *c);
void config_init_scratch(ImageConfig *c, const Platform *platform); /* PATH, WorkingDir "/" */
void config_copy(const ImageConfig *src, ImageConfig *ret);         /* deep */
void config_done(ImageConfig *c);
/*
 * Makes the number of history entries with a layer equal the number of diffIDs: real bases exist
 * where it is not (spec 1). Missing ones are added, surplus ones become empty; times are taken
 * from neighbours.
 */
void config_fix_history(ImageConfig *c);
/* Labels: last wins. */
void config_set_label(ImageConfig *c, const char *key, const char *value);
void config_add_history(ImageConfig *c, const char *created, const char *created_by,
	const char *comment, bool empty_layer);
/* chainID over the first n diffIDs (image-spec config.md "Layer ChainID"); n == 0 gives zero. */
void config_chain_id(const Digest *diff_ids, size_t n, Digest *ret);
