/*
 * Who decides: a [[registry]] of registries.conf that matches the name, else hosts.toml of containerd, else the
 * daemon.json of docker; never two of them, but for "blocked" and for a flag that names one of them, which puts that one
 * first (docs/REGISTRIES.md). TLS files come from hosts.toml when it names some, else from certs.d of the host that is
 * connected to; --cert-dir is instead of certs.d, --ca-file on top of everything.
 */
#include "registry/endpoint.h"

#include "base/limits.h"
#include "registry/certs_dir.h"
#include "registry/docker_daemon.h"
#include "registry/hosts_toml.h"
#include "registry/registries_conf.h"
#include "registry/url.h"

#define HUB          "docker.io"
#define HUB_ADDRESS  "registry-1.docker.io"
#define HOSTS_DIR    "/etc/containerd/certs.d"
#define EVERYTHING   (ENDPOINT_PULL | ENDPOINT_RESOLVE | ENDPOINT_PUSH)
#define FROM_MIRRORS (ENDPOINT_PULL | ENDPOINT_RESOLVE)

static void endpoint_clear(Endpoint *e)
{
	free(e->host);
	free(e->address);
	free(e->prefix);
	free(e->repository);
	free(e->ca_pem);
	free(e->client_cert);
	free(e->client_key);
	free(e->ns);
	strvec_done(&e->headers);
	*e = (Endpoint){0};
}

void endpoints_done(Endpoints *e)
{
	vec_foreach (e, it)
		endpoint_clear(it);
	vec_done(e);
}

static bool is_hub(const char *host)
{
	return strcmp(host, HUB) == 0 || strcmp(host, "index.docker.io") == 0 ||
		strcmp(host, HUB_ADDRESS) == 0;
}

/* Ports 443 and 80 say themselves what is spoken there. */
static EndpointScheme usual_scheme(const char *host)
{
	Str name = str_of(host);
	if (!host_is_loopback(authority_host(name, NULL)) || str_ends(name, ":443"))
		return SCHEME_HTTPS;
	return str_ends(name, ":80") ? SCHEME_HTTP : SCHEME_HTTPS_OR_HTTP;
}

/* ---- TLS ---- */

static int add_tls(
	const RegistrySettings *settings, const HostsEntry *entry, Endpoint *e, Err **err)
{
	TlsFiles t = TLS_FILES_INIT;
	const char *colon = strrchr(e->host, ':');
	_cleanup_free_ char *containerd =
		colon ? xasprintf("%.*s_%s_", (int)(colon - e->host), e->host, colon + 1) : NULL;
	const char *names[] = {e->host, e->address, containerd};
	bool named = entry && (entry->ca.len || entry->client_cert);
	int r = 0;
	for (size_t i = 0; r == 0 && entry && i < entry->ca.len; i++)
		r = tls_files_add_ca(&t, entry->ca.items[i], err);
	if (r == 0 && entry && entry->client_cert) {
		t.cert = xstrdup(entry->client_cert);
		t.key = xstrdup(entry->client_key);
	}
	if (r == 0 && settings->cert_dir)
		r = certs_dir_read(settings->cert_dir, &t, err);
	else if (r == 0 && !named)
		r = certs_dirs_read(names, ARRAY_SIZE(names),
			settings->hosts_dir ? settings->hosts_dir : HOSTS_DIR, &t, err);
	if (r == 0 && settings->ca_file)
		r = tls_files_add_ca(&t, settings->ca_file, err);
	if (r == 0) {
		e->client_cert = TAKE_PTR(t.cert);
		e->client_key = TAKE_PTR(t.key);
		if (t.ca.len)
			e->ca_pem = buf_steal(&t.ca);
	}
	tls_files_done(&t);
	return r;
}

/* Takes host and path. The flags that hold for every endpoint; --plain-http is of the registry itself. */
static int add_endpoint(const RegistrySettings *settings, const HostsEntry *entry, Endpoint e,
	Endpoints *ret, Err **err)
{
	e.address = xstrdup(is_hub(e.host) ? HUB_ADDRESS : e.host);
	if (!e.prefix)
		e.prefix = xstrdup("/v2");
	e.insecure |= settings->insecure;
	if (settings->plain_http && !e.mirror)
		e.scheme = SCHEME_HTTP;
	int r = add_tls(settings, entry, &e, err);
	if (r < 0)
		endpoint_clear(&e);
	else
		vec_push(ret, e);
	return r;
}

/* ---- registries.conf ---- */

static int add_place(const RegistrySettings *settings, const RegistryRule *rule,
	const RegistryMirror *mirror, const Reference *ref, size_t matched, unsigned can,
	Endpoints *ret, Err **err)
{
	Endpoint e = {.can = can, .mirror = mirror != NULL};
	const char *location = mirror ? mirror->location : rule->location;
	int r = registry_rule_rewrite(rule, location, ref, matched, &e.host, &e.repository, err);
	if (r < 0)
		return r;
	e.insecure = mirror ? mirror->insecure : rule->insecure;
	e.scheme = e.insecure ? SCHEME_HTTPS_OR_HTTP : usual_scheme(e.host);
	return add_endpoint(settings, NULL, e, ret, err);
}

/* What a mirror may be asked for this name; 0: nothing. */
static unsigned mirror_can(const RegistryMirror *m, const Reference *ref)
{
	switch (m->pulls) {
	case MIRROR_ALL:
		return FROM_MIRRORS;
	case MIRROR_DIGEST_ONLY:
		return ref->has_digest || !ref->tag ? ENDPOINT_PULL : 0;
	case MIRROR_TAG_ONLY:
		return ref->has_digest ? 0 : FROM_MIRRORS;
	}
	return 0;
}

static int by_rule(const RegistrySettings *settings, const RegistryRule *rule, const Reference *ref,
	size_t matched, bool push, Endpoints *ret, Err **err)
{
	/* rewriting is for reading: a push goes where the name says */
	if (push) {
		RegistryRule as_named = *rule;
		as_named.location = NULL;
		return add_place(settings, &as_named, NULL, ref, matched, EVERYTHING, ret, err);
	}
	vec_foreach (&rule->mirrors, m) {
		unsigned can = mirror_can(m, ref);
		int r = can ? add_place(settings, rule, m, ref, matched, can, ret, err) : 0;
		if (r < 0)
			return r;
	}
	return add_place(settings, rule, NULL, ref, matched, EVERYTHING, ret, err);
}

/* ---- hosts.toml ---- */

static int add_entry(const RegistrySettings *settings, const HostsEntry *entry,
	const Reference *ref, bool mirror, Endpoints *ret, Err **err)
{
	const char *host = entry->host ? entry->host : ref->host;
	bool other = strcmp(host, ref->host) != 0 && !(is_hub(host) && is_hub(ref->host));
	Endpoint e = {
		.scheme = entry->host ? entry->scheme : usual_scheme(host),
		.host = xstrdup(is_hub(host) ? HUB : host),
		.prefix = xstrdup(entry->path),
		.repository = xstrdup(ref->path),
		.can = mirror ? entry->can & FROM_MIRRORS : entry->can,
		.connect_seconds = entry->connect_seconds,
		.insecure = entry->skip_verify,
		.mirror = mirror,
		.ns = other ? xstrdup(ref->host) : NULL,
	};
	strvec_copy(&e.headers, &entry->headers);
	return add_endpoint(settings, entry, e, ret, err);
}

static int by_hosts_file(const RegistrySettings *settings, const HostsFile *f, const Reference *ref,
	bool push, Endpoints *ret, Err **err)
{
	for (size_t i = 0; !push && i < f->hosts.len; i++) {
		const HostsEntry *entry = &f->hosts.items[i];
		int r = entry->can & FROM_MIRRORS ? add_entry(settings, entry, ref, true, ret, err)
						  : 0;
		if (r < 0)
			return r;
	}
	if (push && !(f->server.can & ENDPOINT_PUSH)) {
		int r = err_set(err, ERR_DENIED, "nothing may be pushed to '%s'", ref->host);
		err_at(err, f->file, f->server.line);
		return r;
	}
	return add_entry(settings, &f->server, ref, false, ret, err);
}

/* ---- daemon.json ---- */

static int add_daemon_place(const RegistrySettings *settings, const DockerDaemon *d,
	const char *host, EndpointScheme scheme, const Reference *ref, bool mirror, Endpoints *ret,
	Err **err)
{
	bool insecure = docker_daemon_is_insecure(d, host);
	Endpoint e = {
		.scheme = insecure && scheme == SCHEME_HTTPS ? SCHEME_HTTPS_OR_HTTP : scheme,
		.host = xstrdup(host),
		.repository = xstrdup(ref->path),
		.can = mirror ? FROM_MIRRORS : EVERYTHING,
		.insecure = insecure,
		.mirror = mirror,
	};
	return add_endpoint(settings, NULL, e, ret, err);
}

/* Mirrors are of Docker Hub alone. */
static int by_daemon(const RegistrySettings *settings, const DockerDaemon *d, const Reference *ref,
	bool push, Endpoints *ret, Err **err)
{
	int r = 0;
	for (size_t i = 0; r == 0 && !push && is_hub(ref->host) && i < d->mirrors.len; i++) {
		const char *mirror = d->mirrors.items[i];
		const char *host = strstr(mirror, "://") + 3;
		r = add_daemon_place(settings, d, host,
			cstr_starts(mirror, "http:") ? SCHEME_HTTP : usual_scheme(host), ref, true,
			ret, err);
	}
	return r < 0 ? r
		     : add_daemon_place(settings, d, ref->host, usual_scheme(ref->host), ref, false,
			       ret, err);
}

/* ---- all ---- */

static int find(const RegistrySettings *settings, const RegistriesConf *conf, const Reference *ref,
	bool push, Endpoints *ret, Err **err)
{
	HostsFile hosts = {0};
	size_t matched = 0;
	const RegistryRule *rule = registries_conf_find(conf, ref, &matched);
	bool hosts_first = settings->hosts_dir && !settings->registries;
	int found = 0;
	if (rule && rule->blocked) {
		int r = err_set(err, ERR_DENIED, "registry '%s' is blocked", rule->prefix);
		err_at(err, rule->file, rule->line);
		return r;
	}
	if (!rule || hosts_first)
		found = hosts_toml_load(settings->hosts_dir ? settings->hosts_dir : HOSTS_DIR,
			ref->host, &hosts, err);
	if (found < 0)
		return found;
	if (found) {
		int r = by_hosts_file(settings, &hosts, ref, push, ret, err);
		hosts_file_done(&hosts);
		return r;
	}
	if (rule)
		return by_rule(settings, rule, ref, matched, push, ret, err);
	DockerDaemon daemon = {0};
	found = docker_daemon_load(&daemon, err);
	if (found == 0)
		found = by_daemon(settings, &daemon, ref, push, ret, err);
	docker_daemon_done(&daemon);
	return found;
}

int endpoints_find(const RegistrySettings *settings, const Reference *ref, bool push,
	Endpoints *ret, Err **err)
{
	RegistriesConf conf = {0};
	Endpoints all = {0};
	int r = registries_conf_load(settings, &conf, err);
	if (r == 0)
		r = find(settings, &conf, ref, push, &all, err);
	registries_conf_done(&conf);
	if (r < 0) {
		endpoints_done(&all);
		return r;
	}
	vec_foreach (&all, e)
		vec_push(ret, *e);
	vec_done(&all);
	return 0;
}
