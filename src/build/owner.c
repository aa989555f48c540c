#include "build/owner.h"

#define PASSWD_MAX (1u << 20)

/* Field n (0-based) of a colon-separated line. */
static Str field(Str line, unsigned n)
{
	Str rest = line, part = STR("");
	for (unsigned i = 0; i <= n; i++)
		if (!str_cut(&rest, ':', &part))
			return STR("");
	return part;
}

/* The line of passwd or group whose first field is name, or whose number field is id. */
static bool find_line(Str text, Str name, Str *ret)
{
	Str rest = text, line;
	while (str_cut(&rest, '\n', &line))
		if (str_eq(field(line, 0), name) && line.len > name.len) {
			*ret = line;
			return true;
		}
	return false;
}

static bool number(Str text, uint32_t *ret)
{
	uint64_t n = 0;
	if (str_to_u64(text, UINT32_MAX - 1, &n, NULL) < 0)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static int look_up(const char *file, Str name, const LayerStack *stage, Store *s, Buf *text,
	Str *ret_line, Err **err)
{
	_cleanup_err_ Err *e = NULL;
	int r = layer_stack_read_file(stage, s, file, PASSWD_MAX, text, &e);
	if (r == 0 && find_line(buf_view(text), name, ret_line))
		return 0;
	if (r < 0 && !err_is(e, ERR_NOT_FOUND))
		return err_move(err, &e);
	r = err_set(
		err, ERR_NOT_FOUND, "'" STR_FMT "' is not in the stage's %s", STR_ARG(name), file);
	err_hint(err, "create it with RUN before, or give its number");
	return r;
}

int owner_parse(const char *what, const char *text, const LayerStack *stage, Store *s, Owner *ret,
	Err **err)
{
	Owner o = {0};
	if (!text || !*text) {
		*ret = o;
		return 0;
	}
	ERR_SCOPE(err, "%s '%s'", what, text);
	Str rest = str_of(text), user = STR(""), group = STR(""), line = STR("");
	str_cut(&rest, ':', &user);
	bool has_group = str_cut(&rest, ':', &group);
	if (rest.ptr || (user.len == 0 && group.len == 0))
		return err_set(err, ERR_PARSE, "not of the form USER[:GROUP]");
	_cleanup_buf_ Buf passwd = BUF_INIT(PASSWD_MAX), groups = BUF_INIT(PASSWD_MAX);
	o.given = true;
	if (user.len) {
		o.has_uid = o.has_gid = true;
		if (number(user, &o.uid)) {
			o.gid = o.uid;
		} else {
			int r = look_up("/etc/passwd", user, stage, s, &passwd, &line, err);
			if (r < 0)
				return r;
			if (!number(field(line, 2), &o.uid) || !number(field(line, 3), &o.gid))
				return err_set(err, ERR_CORRUPT,
					"the stage's /etc/passwd has no numbers for it");
		}
	}
	if (has_group && group.len) {
		o.has_gid = true;
		if (!number(group, &o.gid)) {
			int r = look_up("/etc/group", group, stage, s, &groups, &line, err);
			if (r < 0)
				return r;
			if (!number(field(line, 2), &o.gid))
				return err_set(err, ERR_CORRUPT,
					"the stage's /etc/group has no number for it");
		}
	}
	*ret = o;
	return 0;
}

typedef struct Clause {
	uint32_t who; /* 0700, 0070, 0007 combined, plus special bits they may touch */
	char op;      /* + - = */
	uint32_t bits;
	bool exec_if_dir;   /* X */
	uint32_t copy_from; /* g=u and the like: 0700, 0070 or 0007, 0 = none */
} Clause;

struct ModeChange {
	bool octal;
	uint32_t value;
	VEC(Clause) clauses;
};

static uint32_t who_bits(char c)
{
	switch (c) {
	case 'u':
		return 0700;
	case 'g':
		return 0070;
	case 'o':
		return 0007;
	case 'a':
		return 0777;
	default:
		return 0;
	}
}

static bool parse_clause(Str text, ModeChange *m)
{
	size_t i = 0;
	uint32_t who = 0;
	for (; i < text.len && who_bits(text.ptr[i]); i++)
		who |= who_bits(text.ptr[i]);
	if (who == 0)
		who = 0777;
	if (i == text.len)
		return false;
	while (i < text.len) {
		Clause c = {.who = who, .op = text.ptr[i]};
		if (c.op != '+' && c.op != '-' && c.op != '=')
			return false;
		for (i++; i < text.len && !strchr("+-=", text.ptr[i]); i++) {
			switch (text.ptr[i]) {
			case 'r':
				c.bits |= 0444 & who;
				break;
			case 'w':
				c.bits |= 0222 & who;
				break;
			case 'x':
				c.bits |= 0111 & who;
				break;
			case 'X':
				c.exec_if_dir = true;
				break;
			case 's':
				c.bits |= (who & 0700 ? 04000u : 0) | (who & 0070 ? 02000u : 0);
				break;
			case 't':
				c.bits |= 01000;
				break;
			case 'u':
			case 'g':
			case 'o':
				c.copy_from = who_bits(text.ptr[i]);
				break;
			default:
				return false;
			}
		}
		vec_push(&m->clauses, c);
	}
	return true;
}

int mode_parse(const char *text, ModeChange **ret, Err **err)
{
	_cleanup_(mode_freep) ModeChange *m = NULL;
	*ret = NULL;
	if (!text || !*text)
		return 0;
	m = xnew(ModeChange);
	uint64_t octal = 0;
	if (str_to_octal(str_of(text), 07777, &octal, NULL) == 0) {
		m->octal = true;
		m->value = (uint32_t)octal;
		*ret = TAKE_PTR(m);
		return 0;
	}
	Str rest = str_of(text), clause;
	while (str_cut(&rest, ',', &clause))
		if (!parse_clause(clause, m)) {
			int r = err_set(err, ERR_PARSE,
				"--chmod '%s' is neither octal (0 to 07777) nor symbolic", text);
			err_hint(err, "examples: 755, u=rwX,go=rX");
			return r;
		}
	*ret = TAKE_PTR(m);
	return 0;
}

/* The rwx bits that `from` (0700, 0070 or 0007) has in mode, spread over all three places. */
static uint32_t spread(uint32_t mode, uint32_t from)
{
	uint32_t three = from == 0700 ? mode >> 6 : from == 0070 ? mode >> 3 : mode;
	three &= 7;
	return three << 6 | three << 3 | three;
}

uint32_t mode_apply(const ModeChange *m, uint32_t mode, bool is_dir)
{
	if (!m)
		return mode;
	if (m->octal)
		return m->value;
	vec_foreach (&m->clauses, c) {
		uint32_t bits = c->bits;
		if (c->exec_if_dir && (is_dir || (mode & 0111)))
			bits |= 0111 & c->who;
		if (c->copy_from)
			bits |= spread(mode, c->copy_from) & c->who;
		if (c->op == '+')
			mode |= bits;
		else if (c->op == '-')
			mode &= ~bits;
		else
			mode = (mode &
				       ~(c->who | (c->who & 0700 ? 04000u : 0) |
					       (c->who & 0070 ? 02000u : 0))) |
				bits;
	}
	return mode & 07777;
}

bool mode_octal(const ModeChange *m, uint32_t *ret)
{
	if (!m || !m->octal)
		return false;
	*ret = m->value;
	return true;
}

ModeChange *mode_free(ModeChange *m)
{
	if (m) {
		vec_done(&m->clauses);
		free(m);
	}
	return NULL;
}
