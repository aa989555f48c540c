#include "registry/docker_daemon.h"

#include "../check.h"

static void hosts_and_networks(void **state _unused_)
{
	static const struct {
		const char *host;
		bool insecure;
	} cases[] = {
		{"reg.example:5000", true},
		{"REG.example:5000", true},
		{"reg.example", false},
		{"10.1.2.3", true},
		{"10.1.2.3:5000", true},
		{"11.1.2.3:5000", false},
		{"[fd00::1]:5000", true},
		{"[fd00::1]", true},
		{"[fe00::1]:5000", false},
		{"192.168.1.1:5000", true},
		{"192.168.1.1", false},
		{"[", false},
	};
	DockerDaemon d = {0};
	ok(docker_daemon_parse(
		STR("{\"insecure-registries\": [\"reg.example:5000\", \"10.0.0.0/8\", \"fd00::/16\", "
		    "\"192.168.1.1:5000\"], \"registry-mirrors\": [\"https://m.example/\", "
		    "\"http://m.example:81\"], \"log-level\": \"warn\"}"),
		"daemon.json", &d, err));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(docker_daemon_is_insecure(&d, cases[i].host), cases[i].insecure);
	assert_int_equal(d.mirrors.len, 2);
	assert_string_equal(d.mirrors.items[0], "https://m.example");
	assert_string_equal(d.mirrors.items[1], "http://m.example:81");
	docker_daemon_done(&d);
}

static void mistakes(void **state _unused_)
{
	static const struct {
		const char *text, *words;
		ErrCode code;
	} cases[] = {
		{"{", "daemon.json", ERR_CORRUPT},
		{"[]", "daemon.json", ERR_CORRUPT},
		{"{\"registry-mirrors\": \"https://m\"}", "registry-mirrors", ERR_CORRUPT},
		{"{\"insecure-registries\": [1]}", "insecure-registries", ERR_CORRUPT},
		{"{\"registry-mirrors\": [\"m.example\"]}", "no 'https://", ERR_PARSE},
		{"{\"registry-mirrors\": [\"https://\"]}", "no 'https://", ERR_PARSE},
		{"{\"registry-mirrors\": [\"https://m/path\"]}", "no 'https://", ERR_PARSE},
		{"{\"registry-mirrors\": [\"https://u:p@m\"]}", "no 'https://", ERR_PARSE},
		{"{\"registry-mirrors\": [\"ftp://m\"]}", "no 'https://", ERR_PARSE},
		{"{\"registry-mirrors\": [\"\"]}", "no 'https://", ERR_PARSE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		DockerDaemon d = {0};
		fails(cases[i].code, cases[i].words,
			docker_daemon_parse(str_of(cases[i].text), "daemon.json", &d, err));
		assert_int_equal(d.mirrors.len + d.insecure.len, 0);
	}
	_cleanup_err_ Err *e = NULL;
	DockerDaemon d = {0};
	assert_true(docker_daemon_parse(STR("{\"registry-mirrors\": [\"https://u:secret@m\"]}"),
			    "f", &d, &e) < 0);
	assert_null(strstr(e->message, "secret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_and_networks),
		cmocka_unit_test(mistakes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
