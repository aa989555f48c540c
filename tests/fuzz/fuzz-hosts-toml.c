/* hosts.toml: what of it goes into requests has no blanks or line ends. */
#include "registry/hosts_toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static void check(const HostsEntry *e)
{
	for (const char *p = e->host; p && *p; p++)
		must((unsigned char)*p > 0x20 && *p != '/');
	for (const char *p = e->path; p && *p; p++)
		must((unsigned char)*p > 0x20);
	must(!e->path || *e->path == '\0' || *e->path == '/');
	must((e->client_cert == NULL) == (e->client_key == NULL));
	for (size_t i = 0; i < e->headers.len; i++)
		must(strpbrk(e->headers.items[i], "\r\n") == NULL &&
			strstr(e->headers.items[i], ": "));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	HostsFile f = {0};
	_cleanup_err_ Err *err = NULL;
	int r = hosts_toml_parse((Str){(const char *)data, size}, "/d/hosts.toml", &f, &err);
	must((r < 0) == (err != NULL));
	must(r == 0 || (err->file && err->line > 0));
	vec_foreach (&f.hosts, e) {
		must(e->host && *e->host);
		check(e);
	}
	check(&f.server);
	hosts_file_done(&f);
	return 0;
}
