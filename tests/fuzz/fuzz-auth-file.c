/* A config.json or auth.json: looked through, changed, and read again with the change in it. */
#include "registry/auth_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static void look(const AuthFile *f, const char *host, const char *repository)
{
	Credentials c = {0};
	_cleanup_err_ Err *err = NULL;
	int r = auth_file_find(f, host, repository, &c, &err);
	must((r < 0) == (err != NULL) && (r == 1) == (c.source != NULL));
	credentials_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char user[] = "u", password[] = "p:w";
	AuthFile f = {0}, again = {0};
	Credentials c = {0};
	const char *key;
	_cleanup_err_ Err *err = NULL;
	bool legacy = size && data[0] == ' ';
	if (auth_file_parse((Str){(const char *)data, size}, "config.json", legacy, &f, &err) < 0) {
		must(err && f.root == NULL);
		return 0;
	}
	look(&f, "docker.io", "library/alpine");
	look(&f, "r", "a/b");
	look(&f, "", NULL);
	(void)auth_file_host_helper(&f, "docker.io", &key);
	(void)auth_file_store_helper(&f);
	(void)auth_file_remove(&f, "r/a");
	auth_file_set(&f, "r/a/b", &(Credentials){.user = user, .password = password});
	_cleanup_free_ char *text = json_text_pretty(f.root);
	must(auth_file_parse(str_of(text), "config.json", legacy, &again, NULL) == 0);
	if (!legacy) {
		must(auth_file_find(&again, "r", "a/b", &c, NULL) == 1);
		must(strcmp(c.user, user) == 0 && strcmp(c.password, password) == 0);
	}
	credentials_done(&c);
	must(auth_file_remove(&again, "r/a/b"));
	auth_file_done(&f);
	auth_file_done(&again);
	return 0;
}
