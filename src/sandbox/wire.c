#include "sandbox/sandbox_int.h"
#include "sys/process.h"

#define TEXT_MAX 8192u

/* ---- the spec: fields in a fixed order, integers of this machine, strings with their length ---- */

static void put_number(Buf *b, uint64_t n)
{
	buf_append(b, &n, sizeof(n));
}

static void put_string(Buf *b, const char *s)
{
	put_number(b, s ? strlen(s) : UINT64_MAX);
	if (s)
		buf_cstr(b, s);
}

static void put_strings(Buf *b, const StrVec *v)
{
	put_number(b, v->len);
	for (size_t i = 0; i < v->len; i++)
		put_string(b, v->items[i]);
}

void spec_pack(const SandboxSpec *s, Buf *b)
{
	put_strings(b, &s->lowers);
	put_string(b, s->upper);
	put_string(b, s->work);
	put_string(b, s->rootfs);
	put_strings(b, &s->argv);
	put_strings(b, &s->env);
	put_string(b, s->cwd);
	put_string(b, s->user);
	put_string(b, s->hostname);
	put_strings(b, &s->extra_hosts);
	put_string(b, s->runtime);
	put_number(b, s->rootfs_read_only);
	put_number(b, s->network_none);
	put_number(b, s->privileged);
	put_number(b, s->tty);
	put_number(b, s->shm_size);
	put_number(b, s->limits.len);
	vec_foreach (&s->limits, l) {
		put_number(b, (uint64_t)l->resource);
		put_number(b, l->soft);
		put_number(b, l->hard);
	}
	put_number(b, s->mounts.len);
	vec_foreach (&s->mounts, m) {
		put_number(b, m->type);
		put_string(b, m->source);
		put_strings(b, &m->lowers);
		put_string(b, m->subpath);
		put_string(b, m->target);
		put_number(b, m->read_only);
		put_number(b, m->tmpfs_size);
		put_number(b, m->mode);
	}
}

typedef struct Unpacker {
	Str rest;
	bool bad;
} Unpacker;

static uint64_t get_number(Unpacker *u)
{
	uint64_t n = 0;
	if (u->rest.len < sizeof(n)) {
		u->bad = true;
		return 0;
	}
	memcpy(&n, u->rest.ptr, sizeof(n));
	u->rest = str_slice(u->rest, sizeof(n), u->rest.len);
	return n;
}

static char *get_string(Unpacker *u)
{
	uint64_t n = get_number(u);
	if (n == UINT64_MAX)
		return NULL;
	if (u->bad || n > u->rest.len) {
		u->bad = true;
		return NULL;
	}
	char *s = str_dup(str_slice(u->rest, 0, (size_t)n));
	u->rest = str_slice(u->rest, (size_t)n, u->rest.len);
	return s;
}

static void get_strings(Unpacker *u, StrVec *v)
{
	uint64_t n = get_number(u);
	for (uint64_t i = 0; i < n && !u->bad; i++) {
		char *s = get_string(u);
		if (s)
			strvec_take(v, s);
		else
			u->bad = true;
	}
}

int spec_unpack(Str bytes, SandboxSpec *s, Err **err)
{
	Unpacker u = {.rest = bytes};
	*s = SANDBOX_SPEC_INIT;
	get_strings(&u, &s->lowers);
	s->upper = get_string(&u);
	s->work = get_string(&u);
	s->rootfs = get_string(&u);
	get_strings(&u, &s->argv);
	get_strings(&u, &s->env);
	s->cwd = get_string(&u);
	s->user = get_string(&u);
	s->hostname = get_string(&u);
	get_strings(&u, &s->extra_hosts);
	s->runtime = get_string(&u);
	s->rootfs_read_only = get_number(&u);
	s->network_none = get_number(&u);
	s->privileged = get_number(&u);
	s->tty = get_number(&u);
	s->shm_size = get_number(&u);
	uint64_t n = get_number(&u);
	for (uint64_t i = 0; i < n && !u.bad; i++) {
		SandboxLimit *l = vec_add(&s->limits);
		l->resource = (int)get_number(&u);
		l->soft = get_number(&u);
		l->hard = get_number(&u);
	}
	n = get_number(&u);
	for (uint64_t i = 0; i < n && !u.bad; i++) {
		SandboxMount *m = vec_add(&s->mounts);
		m->type = (SandboxMountType)get_number(&u);
		m->source = get_string(&u);
		get_strings(&u, &m->lowers);
		m->subpath = get_string(&u);
		m->target = get_string(&u);
		m->read_only = get_number(&u);
		m->tmpfs_size = get_number(&u);
		m->mode = (unsigned)get_number(&u);
	}
	if (u.bad || u.rest.len) {
		sandbox_spec_done(s);
		return err_set(err, ERR_CORRUPT, "malformed request to the sandbox");
	}
	return 0;
}

/* ---- records: type and length, then the bytes ---- */

typedef struct RecordHead {
	uint32_t type, len;
} RecordHead;

static void put_record(int fd, RecordType type, const void *data, size_t len)
{
	_cleanup_buf_ Buf b = BUF_INIT(SIZE_MAX);
	RecordHead head = {type, (uint32_t)len};
	buf_append(&b, &head, sizeof(head));
	buf_append(&b, data, len);
	/* nobody is left to be told if it fails */
	(void)write_all(fd, b.ptr, b.len);
}

void record_error(int fd, const Err *e)
{
	_cleanup_buf_ Buf b = BUF_INIT(SIZE_MAX);
	put_number(&b, e->code);
	put_number(&b, (uint64_t)e->errnum);
	_cleanup_free_ char *message = xstrndup(e->message, TEXT_MAX);
	put_string(&b, message);
	put_string(&b, e->hint);
	put_record(fd, RECORD_ERROR, b.ptr, b.len);
}

void record_text(int fd, RecordType type, const char *text)
{
	put_record(fd, type, text, strlen(text));
}

void record_number(int fd, RecordType type, int number)
{
	put_record(fd, type, &number, sizeof(number));
}

static void parse_error(Str body, Reply *ret)
{
	Unpacker u = {.rest = body};
	uint64_t code = get_number(&u), errnum = get_number(&u);
	_cleanup_free_ char *message = get_string(&u), *hint = get_string(&u);
	if (u.bad || !message || code == 0 || code >= _ERR_MAX || ret->error)
		return;
	err_set(&ret->error, (ErrCode)code, "%s", message);
	ret->error->errnum = (int)errnum;
	if (hint)
		err_hint(&ret->error, "%s", hint);
}

static void parse_record(RecordType type, Str body, Reply *ret)
{
	int number = 0;
	if (body.len == sizeof(number))
		memcpy(&number, body.ptr, sizeof(number));
	switch (type) {
	case RECORD_ERROR:
		parse_error(body, ret);
		break;
	case RECORD_MADE:
		strvec_push_str(&ret->result.made, body);
		break;
	case RECORD_EXIT:
	case RECORD_SIGNAL:
		ret->has_status = true;
		ret->result.exit_status = type == RECORD_EXIT ? number & 0xff : 0;
		ret->result.signal = type == RECORD_SIGNAL ? number & 0x7f : 0;
		break;
	case RECORD_LOST:
		ret->lost = number;
		break;
	}
}

void reply_parse(Str bytes, Reply *ret)
{
	*ret = (Reply){0};
	while (bytes.len >= sizeof(RecordHead)) {
		RecordHead head;
		memcpy(&head, bytes.ptr, sizeof(head));
		bytes = str_slice(bytes, sizeof(head), bytes.len);
		if (head.len > bytes.len)
			break;
		parse_record((RecordType)head.type, str_slice(bytes, 0, head.len), ret);
		bytes = str_slice(bytes, head.len, bytes.len);
	}
}

void reply_done(Reply *r)
{
	sandbox_result_done(&r->result);
	err_freep(&r->error);
}
