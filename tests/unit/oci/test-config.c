#include "oci/config.h"

#include "../check.h"
#include "base/limits.h"

#define D0 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define D1 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
/* sha256sum of "D0 D1", and of that with " D0" */
#define CHAIN2 "sha256:dd8ddd90bdf3ccbd91abd3f399218c9d93e91246734fab743933f42048ac3e2c"
#define CHAIN3 "sha256:8e9c277940fe142021d5811c9b85cc258bdc32d33c6adea713521839f5d43c85"

#define FULL                                                                                                                 \
	"{\"architecture\":\"arm\",\"author\":\"me\",\"config\":{\"ArgsEscaped\":true,\"Cmd\":[\"a\",\"\"],\"Entrypoint\":[" \
	"\"/x\"],\"Env\":[\"PATH=/bin\",\"A=1=2\",\"A=3\"],\"ExposedPorts\":{\"443/tcp\":{},\"80/tcp\":{}},\"Future\":1,"    \
	"\"Healthcheck\":{\"Interval\":1,\"New\":[],\"Retries\":5,\"StartInterval\":4,\"StartPeriod\":3,\"Test\":[\"CMD\","  \
	"\"x\"],\"Timeout\":2},\"Labels\":{\"a\":\"<b>&\",\"k=v\":\"w\"},\"OnBuild\":[\"RUN x\"],\"Shell\":[\"sh\"],"        \
	"\"StopSignal\":\"INT\",\"User\":\"1:2\",\"Volumes\":{\"/v\":{}},\"WorkingDir\":\"/w\"},\"created\":"                \
	"\"2024-01-01T00:00:00Z\",\"history\":[{\"author\":\"x\",\"comment\":\"c\",\"created\":\"2023-01-01T00:00:00Z\","    \
	"\"created_by\":\"b\",\"empty_layer\":true,\"new\":7},{}],\"os\":\"linux\",\"os.features\":[\"f\"],\"rootfs\":{"     \
	"\"diff_ids\":[\"" D0 "\",\"" D1                                                                                     \
	"\"],\"other\":0,\"type\":\"layers\"},\"variant\":\"v7\"}"

static void reading(void **state _unused_)
{
	_cleanup_(config_done) ImageConfig c = {0};
	ok(config_parse(STR(FULL), "x", &c, err));
	assert_text(platform_format(&c.platform), "linux/arm/v7");
	assert_string_equal(c.user, "1:2");
	assert_string_equal(c.working_dir, "/w");
	assert_string_equal(c.stop_signal, "INT");
	assert_text(strvec_join(&c.env, "|"), "PATH=/bin|A=1=2|A=3");
	assert_text(strvec_join(&c.cmd, "|"), "a|");
	assert_true(c.has_cmd && c.has_entrypoint && c.has_shell && c.args_escaped);
	assert_text(strvec_join(&c.labels, "|"), "a=<b>&|k=v=w");
	assert_text(strvec_join(&c.exposed_ports, "|"), "443/tcp|80/tcp");
	const Healthcheck *h = &c.healthcheck;
	assert_true(h->present && h->interval == 1 && h->timeout == 2 && h->start_period == 3 &&
		h->start_interval == 4 && h->retries == 5 && h->test.len == 2);
	assert_int_equal(c.diff_ids.len, 2);
	assert_string_equal(digest_str(&c.diff_ids.items[1]).s, D1);
	assert_int_equal(c.history.len, 2);
	assert_true(c.history.items[0].empty_layer && !c.history.items[1].empty_layer);
	assert_null(c.history.items[1].created);
	assert_text(config_text(&c), FULL);
}

static void presence(void **state _unused_)
{
	static const struct {
		const char *config;
		bool entrypoint, cmd, health;
	} cases[] = {
		{"null", false, false, false},
		{"{}", false, false, false},
		{"{\"Entrypoint\":null,\"Cmd\":null,\"Healthcheck\":null,\"Env\":null,\"Labels\":null,\"Volumes\":null}",
			false, false, false},
		{"{\"Entrypoint\":[],\"Cmd\":[]}", true, true, false},
		{"{\"Cmd\":[\"x\"],\"Healthcheck\":{}}", false, true, true},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(config_done) ImageConfig c = {0}, again = {0};
		_cleanup_free_ char *text = xasprintf(
			"{\"config\":%s,\"history\":null,\"rootfs\":null}", cases[i].config);
		ok(config_parse(str_of(text), "x", &c, err));
		assert_int_equal(c.has_entrypoint, cases[i].entrypoint);
		assert_int_equal(c.has_cmd, cases[i].cmd);
		assert_int_equal(c.healthcheck.present, cases[i].health);
		_cleanup_free_ char *out = config_text(&c);
		assert_null(strstr(out, "Entrypoint")); /* what is empty is left out */
		ok(config_parse(str_of(out), "x", &again, err));
		assert_false(again.has_entrypoint);
		assert_int_equal(again.has_cmd, c.cmd.len > 0);
		assert_int_equal(again.healthcheck.present, cases[i].health);
		assert_string_equal(again.platform.os, "linux");
	}
}

static void malformed(void **state _unused_)
{
	static const struct {
		const char *text, *words;
		ErrCode code;
	} cases[] = {
		{"", "x: malformed JSON", ERR_CORRUPT},
		{"[]", "x: is not an object", ERR_CORRUPT},
		{"{\"os\":1}", "x.os: is not a string", ERR_CORRUPT},
		{"{\"config\":[]}", "x.config: is not an object", ERR_CORRUPT},
		{"{\"created\":\"c\",\"config\":{\"User\":\"u\",\"Env\":[\"A=1\",5]}}",
			"x.config.Env[1]: is not a string", ERR_CORRUPT},
		{"{\"config\":{\"Cmd\":\"sh\"}}", "x.config.Cmd: is not an array of strings",
			ERR_CORRUPT},
		{"{\"config\":{\"Labels\":{\"a\":1}}}", "x.config.Labels: the value of 'a'",
			ERR_CORRUPT},
		{"{\"config\":{\"Volumes\":[\"/v\"]}}", "x.config.Volumes", ERR_CORRUPT},
		{"{\"config\":{\"User\":\"u\",\"Healthcheck\":{\"Test\":[\"a\"],\"Interval\":\"1s\"}}}",
			"x.config.Healthcheck.Interval", ERR_CORRUPT},
		{"{\"rootfs\":{\"type\":\"base\"}}", "x.rootfs.type: 'base'", ERR_UNSUPPORTED},
		{"{\"rootfs\":{\"diff_ids\":{}}}", "x.rootfs.diff_ids", ERR_CORRUPT},
		{"{\"rootfs\":{\"diff_ids\":[\"" D0 "\",\"x\"]}}",
			"x.rootfs.diff_ids[1]: is not a digest", ERR_CORRUPT},
		{"{\"rootfs\":{\"diff_ids\":[null]}}", "x.rootfs.diff_ids[0]", ERR_CORRUPT},
		{"{\"history\":{}}", "x.history: is not an array", ERR_CORRUPT},
		{"{\"history\":[{\"created\":\"c\"},7]}", "x.history[1]: is not an object",
			ERR_CORRUPT},
		{"{\"history\":[{\"created\":\"c\",\"empty_layer\":1}]}",
			"x.history[0].empty_layer", ERR_CORRUPT},
		{"{\"os\":\"linux\",\"os\":\"linux\"}", "duplicate", ERR_CORRUPT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ImageConfig c = {0};
		fails(cases[i].code, cases[i].words,
			config_parse(str_of(cases[i].text), "x", &c, err));
		assert_true(!c.raw && !c.env.items && !c.user && !c.history.items);
	}
}

static char *repeated(const char *before, const char *item, size_t n, const char *after)
{
	Buf b = BUF_INIT(8 << 20);
	buf_cstr(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i ? "," : "", item);
	buf_cstr(&b, after);
	return buf_steal(&b);
}

static void bounds(void **state _unused_)
{
	static const struct {
		const char *before, *item, *after, *words;
		size_t max;
	} cases[] = {
		{"{\"rootfs\":{\"diff_ids\":[", "\"" D0 "\"", "]}}", "x: 4097 layers",
			LIMIT_LAYERS},
		{"{\"history\":[", "{}", "]}", "x: 16385 history entries", 4 * LIMIT_LAYERS},
	};
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		_cleanup_(config_done) ImageConfig c = {0};
		size_t extra = i % 2;
		_cleanup_free_ char *text = repeated(cases[i / 2].before, cases[i / 2].item,
			cases[i / 2].max + extra, cases[i / 2].after);
		if (extra)
			fails(ERR_LIMIT, cases[i / 2].words,
				config_parse(str_of(text), "x", &c, err));
		else
			ok(config_parse(str_of(text), "x", &c, err));
	}
}

/* What Docker wrote about the container a base came from is not said of what is derived of it. */
static void stale(void **state _unused_)
{
	_cleanup_(config_done) ImageConfig c = {0};
	ok(config_parse(
		STR("{\"container\":\"1\",\"container_config\":{},\"docker_version\":\"1\",\"id\":\"1\",\"parent\":\"1\","
		    "\"throwaway\":true,\"Size\":1,\"checksum\":\"1\",\"kept\":1,\"os\":\"linux\",\"architecture\":\"s390x\"}"),
		"x", &c, err));
	_cleanup_free_ char *text = config_text(&c);
	assert_string_equal(text,
		"{\"architecture\":\"s390x\",\"config\":{},\"history\":[],\"kept\":1,\"os\":\"linux\","
		"\"rootfs\":{\"diff_ids\":[],\"type\":\"layers\"}}");
	assert_non_null(json_object_get(c.raw, "container_config")); /* raw is what was read */
	assert_text(config_text(&c), text);
}

static void scratch(void **state _unused_)
{
	_cleanup_(config_done) ImageConfig c = {0};
	_cleanup_(platform_done) Platform arm = {0};
	ok(platform_parse(STR("linux/arm/v7"), &arm, err));
	config_init_scratch(&c, &arm);
	assert_text(config_text(&c),
		"{\"architecture\":\"arm\",\"config\":{\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:"
		"/bin\"],\"WorkingDir\":\"/\"},\"history\":[],\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[],\"type\":"
		"\"layers\"},\"variant\":\"v7\"}");
	/* sorted by key, the last of a label, no byte that is not UTF-8 */
	config_set_label(&c, "z", "1");
	config_set_label(&c, "b\xFF", "\xFF");
	config_set_label(&c, "z", "2");
	config_set_label(&c, "a", "");
	strvec_push(&c.exposed_ports, "9/udp");
	strvec_push(&c.exposed_ports, "80/tcp");
	strvec_push(&c.env, "X=\xC3");
	config_add_history(&c, "2024-01-01T00:00:00Z", "RUN \xFE", NULL, true);
	_cleanup_free_ char *text = config_text(&c);
	assert_non_null(strstr(text, "\"Labels\":{\"a\":\"\",\"b\uFFFD\":\"\uFFFD\",\"z\":\"2\"}"));
	assert_non_null(strstr(text, "\"ExposedPorts\":{\"80/tcp\":{},\"9/udp\":{}}"));
	assert_non_null(strstr(text, "\"X=\uFFFD\""));
	assert_non_null(strstr(text,
		"\"history\":[{\"created\":\"2024-01-01T00:00:00Z\",\"created_by\":\"RUN \uFFFD\",\"empty_layer\":true}]"));
}

static void copying(void **state _unused_)
{
	_cleanup_(config_done) ImageConfig copy = {0};
	ImageConfig c = {0};
	ok(config_parse(STR(FULL), "x", &c, err));
	config_copy(&c, &copy);
	/* what happens to the one is nothing to the other */
	strvec_env_set(&c.env, "PATH", "/changed");
	config_set_label(&c, "a", "changed");
	free(c.user);
	c.user = xstrdup("changed");
	c.diff_ids.items[0].bytes[0] ^= 1;
	c.history.items[0].created_by[0] = 'X';
	c.healthcheck.test.items[0][0] = 'X';
	config_add_history(&c, NULL, "changed", NULL, false);
	assert_text(config_text(&copy), FULL);
	_cleanup_free_ char *changed = config_text(&c);
	assert_non_null(strstr(changed, "PATH=/changed"));
	config_done(&c);
	assert_text(config_text(&copy), FULL);
	config_done(&c); /* twice does no harm */
}

/* Entries: 'l' has a layer, 'e' is empty; a digit behind is its time. */
static void history(void **state _unused_)
{
	static const struct {
		size_t layers;
		const char *before, *after;
	} cases[] = {
		{0, "", ""},
		{2, "l1e2l3", "l1e2l3"},
		{0, "l1l2", "e1e2"},
		{1, "l1e2l3l4", "l1e2e3e4"},
		{3, "l1e2", "l1e2l2l2"},
		{1, "", "l9"},
		{2, "e1", "e1l1l1"},
		{2, "l1l", "l1l1"},
		{2, "l1el", "l1e1l1"},
		{3, "l1e", "l1e1l1l1"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(config_done) ImageConfig c = {.created = xstrdup("9")};
		for (size_t k = 0; k < cases[i].layers; k++)
			vec_add(&c.diff_ids);
		for (const char *p = cases[i].before; *p; p++) {
			char time[2] = {p[1], '\0'};
			bool timed = p[1] >= '0' && p[1] <= '9';
			config_add_history(&c, timed ? time : NULL, NULL, NULL, *p == 'e');
			p += timed;
		}
		config_fix_history(&c);
		Buf b = BUF_INIT(99);
		vec_foreach (&c.history, h)
			buf_printf(&b, "%c%s", h->empty_layer ? 'e' : 'l',
				h->created ? h->created : "");
		assert_text(buf_steal(&b), cases[i].after);
	}
}

static void chain(void **state _unused_)
{
	Digest ids[3], d;
	ok(digest_parse(STR(D0), &ids[0], err));
	ok(digest_parse(STR(D1), &ids[1], err));
	ok(digest_parse(STR(D0), &ids[2], err));
	config_chain_id(ids, 0, &d);
	assert_true(digest_is_zero(&d));
	config_chain_id(ids, 1, &d);
	assert_string_equal(digest_str(&d).s, D0);
	config_chain_id(ids, 2, &d);
	assert_string_equal(digest_str(&d).s, CHAIN2);
	config_chain_id(ids, 3, &d);
	assert_string_equal(digest_str(&d).s, CHAIN3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(presence),
		cmocka_unit_test(malformed),
		cmocka_unit_test(bounds),
		cmocka_unit_test(stale),
		cmocka_unit_test(scratch),
		cmocka_unit_test(copying),
		cmocka_unit_test(history),
		cmocka_unit_test(chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
