/*
 * passwd and group, read as docker and its runtimes do: a name or a number matches the first line that has it; a
 * number that is in no line is used as it is, with group 0; an explicit group replaces the primary one and
 * all supplementary ones. Files come from the image: lines that are no entries are skipped, sizes are bounded.
 */
#include <fcntl.h>

#include "base/limits.h"
#include "sandbox/sandbox_int.h"
#include "sys/root.h"

#define USER_FILE_MAX (4u << 20)
#define GROUPS_MAX    65536u           /* NGROUPS_MAX of Linux */
#define ID_MAX        (UINT32_MAX - 1) /* the last one means "unchanged" */

typedef struct Entry {
	Str name;
	uint32_t uid, gid; /* gid alone of a group line */
	Str last;          /* home, or the members */
} Entry;

static bool parse_id(Str s, uint32_t *ret)
{
	uint64_t n = 0;
	if (str_to_u64(s, ID_MAX, &n, NULL) < 0)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* name:password:uid:gid:gecos:home:shell */
static bool parse_passwd(Str line, Entry *e)
{
	Str skip, uid, gid;
	return str_cut(&line, ':', &e->name) && str_cut(&line, ':', &skip) &&
		str_cut(&line, ':', &uid) && str_cut(&line, ':', &gid) &&
		str_cut(&line, ':', &skip) && str_cut(&line, ':', &e->last) &&
		parse_id(uid, &e->uid) && parse_id(gid, &e->gid) && e->name.len;
}

/* name:password:gid:member,member */
static bool parse_group(Str line, Entry *e)
{
	Str skip, gid;
	if (!str_cut(&line, ':', &e->name) || !str_cut(&line, ':', &skip) ||
		!str_cut(&line, ':', &gid))
		return false;
	e->last = line;
	return parse_id(gid, &e->gid) && e->name.len;
}

static bool has_member(Str members, Str name)
{
	Str one;
	while (str_cut(&members, ',', &one))
		if (str_eq(str_trim(one), name))
			return true;
	return false;
}

static bool find_user(Str text, Str who, bool numeric, uint32_t id, Entry *ret)
{
	Str line;
	while (str_cut(&text, '\n', &line)) {
		Entry e = {0};
		if (parse_passwd(str_trim(line), &e) &&
			(str_eq(e.name, who) || (numeric && e.uid == id))) {
			*ret = e;
			return true;
		}
	}
	return false;
}

static bool find_group(Str text, Str who, bool numeric, uint32_t id, uint32_t *ret)
{
	Str line;
	while (str_cut(&text, '\n', &line)) {
		Entry e = {0};
		if (parse_group(str_trim(line), &e) &&
			(str_eq(e.name, who) || (numeric && e.gid == id))) {
			*ret = e.gid;
			return true;
		}
	}
	return false;
}

static void add_group(SandboxUser *u, uint32_t gid)
{
	vec_foreach (&u->groups, g)
		if (*g == gid)
			return;
	if (u->groups.len < GROUPS_MAX)
		vec_push(&u->groups, gid);
}

static void add_memberships(SandboxUser *u, Str text, Str name)
{
	Str line;
	while (str_cut(&text, '\n', &line)) {
		Entry e = {0};
		if (parse_group(str_trim(line), &e) && has_member(e.last, name))
			add_group(u, e.gid);
	}
}

int sandbox_user_lookup(Str passwd, Str group, const char *user, SandboxUser *ret, Err **err)
{
	Str rest = str_of(user ? user : ""), who = {0};
	str_cut(&rest, ':', &who);
	bool has_group = rest.ptr && rest.len;
	if (who.len == 0)
		who = STR("0");
	Entry e = {0};
	uint32_t uid = 0;
	bool numeric = parse_id(who, &uid);
	bool found = find_user(passwd, who, numeric, uid, &e);
	if (!found && !numeric) {
		int r = err_set(err, ERR_NOT_FOUND,
			"user '" STR_FMT "' is not in /etc/passwd of the image", STR_ARG(who));
		err_hint(err, "create it before (RUN adduser …), or use a number");
		return r;
	}
	SandboxUser u = {.uid = found ? e.uid : uid, .gid = found ? e.gid : 0};
	if (has_group) {
		uint32_t gid = 0;
		bool number = parse_id(rest, &gid);
		if (!find_group(group, rest, number, gid, &gid) && !number)
			return err_set(err, ERR_NOT_FOUND,
				"group '" STR_FMT "' is not in /etc/group of the image",
				STR_ARG(rest));
		u.gid = gid;
	}
	u.home = found && e.last.len ? str_dup(e.last) : xstrdup("/");
	add_group(&u, u.gid);
	if (found && !has_group)
		add_memberships(&u, group, e.name);
	*ret = u;
	return 0;
}

void sandbox_user_done(SandboxUser *u)
{
	vec_done(&u->groups);
	free(u->home);
	*u = (SandboxUser){0};
}

/* Absent, or no regular file: empty. */
static int read_in_root(int root_fd, const char *path, Buf *ret, Err **err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	/* non-blocking: it could be a fifo */
	if (root_open(root_fd, path, O_RDONLY | O_NONBLOCK, 0, &fd, NULL) < 0 ||
		fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (st.st_size > USER_FILE_MAX)
		return err_set(err, ERR_LIMIT, "'%s' of the image is larger than %u bytes", path,
			USER_FILE_MAX);
	char part[4096];
	for (ssize_t n; (n = read(fd, part, sizeof(part))) != 0;) {
		if (n < 0)
			return err_sys(err, "read '%s'", path);
		buf_append(ret, part, (size_t)n);
	}
	if (ret->overflow)
		return err_set(err, ERR_LIMIT, "'%s' of the image is larger than %u bytes", path,
			USER_FILE_MAX);
	return 0;
}

int user_of_root(int root_fd, const char *user, SandboxUser *ret, Err **err)
{
	_cleanup_buf_ Buf passwd = BUF_INIT(USER_FILE_MAX), group = BUF_INIT(USER_FILE_MAX);
	int r = read_in_root(root_fd, "/etc/passwd", &passwd, err);
	if (r == 0)
		r = read_in_root(root_fd, "/etc/group", &group, err);
	if (r == 0)
		r = sandbox_user_lookup(buf_view(&passwd), buf_view(&group), user, ret, err);
	return r;
}
