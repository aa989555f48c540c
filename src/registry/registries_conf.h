/* containers-registries.conf(5), version 2; what version 1 says of insecure and blocked registries is understood. */
#pragma once

#include "base/vec.h"
#include "oci/reference.h"
#include "registry/settings.h"

typedef enum MirrorPulls {
	MIRROR_ALL,
	MIRROR_DIGEST_ONLY,
	MIRROR_TAG_ONLY,
} MirrorPulls;

typedef struct RegistryMirror {
	char *location;
	bool insecure;
	MirrorPulls pulls;
} RegistryMirror;

typedef struct RegistryRule {
	char *prefix;   /* "host[:port][/path…[:tag|@digest]]", "*.domain[/path…]" */
	char *location; /* NULL: as the name says */
	char *file;     /* where it stands, for messages */
	int line;
	bool insecure, blocked;
	VEC(RegistryMirror) mirrors; /* in the order they are to be tried */
} RegistryRule;

typedef struct RegistriesConf {
	VEC(RegistryRule) rules;
	StrVec helpers; /* credential-helpers: CREDENTIAL_FILES or a helper's name; none: the files alone */
} RegistriesConf;
#define CREDENTIAL_FILES "containers-auth.json"

/* The file of the settings, else $CONTAINERS_REGISTRIES_CONF, else ~/.config/containers/registries.conf, else that of
 * /etc/containers; then the drop-ins registries.conf.d (.conf) of /etc/containers and of ~/.config/containers. */
int registries_conf_load(const RegistrySettings *settings, RegistriesConf *ret, Err **err)
	_warn_unused_;
/* Adds one file; a rule replaces an earlier one of the same prefix. ERR_PARSE with file and line. */
int registries_conf_parse(Str text, const char *file, RegistriesConf *io, Err **err) _warn_unused_;
void registries_conf_done(RegistriesConf *c);

/* The rule with the longest prefix that the name begins with, or NULL; borrowed. *ret_matched: how many bytes of
 * "host/path" a location stands for. */
const RegistryRule *registries_conf_find(
	const RegistriesConf *c, const Reference *ref, size_t *ret_matched);
/* Where a name is at that location (NULL: as the name says). Both owned. ERR_PARSE, ERR_UNSUPPORTED. */
int registry_rule_rewrite(const RegistryRule *rule, const char *location, const Reference *ref,
	size_t matched, char **ret_host, char **ret_path, Err **err) _warn_unused_;
