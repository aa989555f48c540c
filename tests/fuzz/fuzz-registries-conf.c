/* registries.conf: TOML, the rules in it, and where names lead by them. */
#include "registry/registries_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static void follow(const RegistriesConf *c, const char *image)
{
	Reference ref = {0};
	size_t matched = 0;
	_cleanup_free_ char *host = NULL, *path = NULL;
	_cleanup_err_ Err *err = NULL;
	must(reference_parse(str_of(image), &ref, NULL) == 0);
	const RegistryRule *rule = registries_conf_find(c, &ref, &matched);
	if (rule) {
		must(matched > 0 && matched <= strlen(ref.host) + 1 + strlen(ref.path));
		int r = registry_rule_rewrite(
			rule, rule->location, &ref, matched, &host, &path, &err);
		must((r == 0) == (host && path && *host && *path) && (r < 0) == (err != NULL));
	}
	reference_done(&ref);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RegistriesConf c = {0};
	_cleanup_err_ Err *err = NULL;
	int r = registries_conf_parse((Str){(const char *)data, size}, "f", &c, &err);
	must((r < 0) == (err != NULL));
	must(r == 0 || (err->file && err->line > 0));
	vec_foreach (&c.rules, rule)
		must(rule->prefix && rule->file);
	follow(&c, "alpine");
	follow(&c, "a.example.com:5000/ns/x:1");
	follow(&c, "example.com/foo/bar");
	registries_conf_done(&c);
	return 0;
}
