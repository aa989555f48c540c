#include "cli/registry_flags.h"

#include "cli/progress_sink.h"

#define MAX_STALL_SECONDS 86400

int registry_flags_settings(const RegistryFlags *flags, RegistrySettings *ret, Err **err)
{
	if (flags->creds && flags->no_creds)
		return err_set(err, ERR_USAGE, "'--creds' and '--no-creds' cannot stand together");
	if (flags->creds && (!strchr(flags->creds, ':') || flags->creds[0] == ':'))
		return err_set(err, ERR_USAGE, "flag '--creds' takes USER:PASSWORD");
	uint64_t stall = 0;
	if (flags->stall_timeout &&
		(str_to_u64(str_of(flags->stall_timeout), MAX_STALL_SECONDS, &stall, NULL) < 0 ||
			stall == 0))
		return err_set(err, ERR_USAGE, "flag '--stall-timeout' takes seconds, 1 to %d",
			MAX_STALL_SECONDS);
	*ret = (RegistrySettings){
		.authfile = flags->authfile,
		.creds = flags->creds,
		.ca_file = flags->ca_file,
		.cert_dir = flags->cert_dir,
		.registries = flags->registries_conf,
		.hosts_dir = flags->hosts_dir,
		.stall_seconds = (unsigned)stall,
		.no_creds = flags->no_creds,
		.insecure = flags->insecure,
		.plain_http = flags->plain_http,
	};
	return 0;
}

int registry_session_open(const RegistryFlags *flags, bool quiet, const char *mode,
	const char *title, RegistrySession *ret, Err **err)
{
	int r = registry_flags_settings(flags, &ret->settings, err);
	if (r == 0)
		r = progress_sink_new(quiet, mode, title, &ret->progress, err);
	if (r == 0)
		r = registry_new(&ret->settings, ret->progress, &ret->registry, err);
	return r;
}

void registry_session_close(RegistrySession *s)
{
	registry_free(s->registry);
	progress_sink_free(s->progress);
	*s = (RegistrySession){0};
}

int pull_policy_argument(const char *text, PullPolicy *ret, Err **err)
{
	/* the words of docker and podman */
	static const struct {
		const char *word;
		PullPolicy policy;
	} words[] = {
		{"true", PULL_ALWAYS},
		{"always", PULL_ALWAYS},
		{"newer", PULL_ALWAYS},
		{"false", PULL_MISSING},
		{"missing", PULL_MISSING},
		{"ifmissing", PULL_MISSING},
		{"never", PULL_NEVER},
	};
	*ret = PULL_MISSING;
	for (size_t i = 0; text && i < ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i].word) == 0) {
			*ret = words[i].policy;
			return 0;
		}
	return text ? err_set(err, ERR_USAGE,
			      "flag '--pull' takes always, missing or never, not '%s'", text)
		    : 0;
}
