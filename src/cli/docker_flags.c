#include "cli/docker_flags.h"

static bool says_no(const char *value)
{
	return !value || strcmp(value, "false") == 0 || strcmp(value, "0") == 0;
}

static int refused(Err **err, const char *message, const char *hint)
{
	int r = err_set(err, ERR_UNSUPPORTED, "%s", message);
	err_hint(err, "%s", hint);
	return r;
}

static bool attests(const StrVec *attest)
{
	for (size_t i = 0; i < attest->len; i++)
		if (!strstr(attest->items[i], "disabled=true"))
			return true;
	return false;
}

int docker_flags_check(const DockerFlags *f, Err **err)
{
	if (f->squash)
		return refused(err, "layers are not squashed",
			"end the Dockerfile with FROM scratch and COPY --from=STAGE / /");
	if (f->ssh.len)
		return refused(err, "ssh agents are not supported",
			"give the key as a secret: --secret id=key,src=FILE and RUN "
			"--mount=type=secret,id=key");
	if (!says_no(f->provenance) || !says_no(f->sbom) || attests(&f->attest))
		return refused(err, "no attestations (provenance, SBOM) are made",
			"leave the flag out, or say --provenance=false --sbom=false");
	if (f->call && strcmp(f->call, "build") != 0 && strcmp(f->call, "check") != 0)
		return refused(err, "of --call there is only build and check",
			"'cruet build --check' looks for mistakes without building");
	return 0;
}

void docker_flags_warn(const DockerFlags *f, Progress *progress)
{
	if (f->cache_from.len || f->cache_to.len)
		progress_warn(progress, NULL, 0,
			"%s has no effect: the build cache is in the store and nowhere else",
			f->cache_from.len ? "--cache-from" : "--cache-to");
	if (f->limits.len)
		progress_warn(progress, NULL, 0,
			"limits of memory and processors have no effect, as with BuildKit: run cruet "
			"itself in a control group");
	if (f->security.len)
		progress_warn(progress, NULL, 0, "--security-opt has no effect");
}
