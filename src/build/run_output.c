#include "build/run_output.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#define TAIL_SIZE     4096
#define TAIL_LINES    20
#define COMMAND_SHOWN 160 /* bytes of the command in a message */

void run_output_init(RunOutput *o, Store *s, const Digest *op, Progress *progress, unsigned id)
{
	*o = (RunOutput){.store = s, .progress = progress, .id = id, .fd = -1};
	/* named after the step: running it again replaces the log, so they do not pile up */
	snprintf(o->name, sizeof(o->name), "%.16s.log", digest_hex(op).s);
}

static void open_log(RunOutput *o)
{
	_cleanup_free_ char *path = xasprintf("logs/%s", o->name);
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
	o->fd = openat(store_fd(o->store), path, flags, 0644);
	if (o->fd < 0 && mkdir_p(store_fd(o->store), "logs", 0755, NULL) == 0)
		o->fd = openat(store_fd(o->store), path, flags, 0644);
	o->broken = o->fd < 0;
}

static void write_log(RunOutput *o, const char *text, size_t len)
{
	if (o->fd < 0 && !o->broken)
		open_log(o);
	while (len > 0 && !o->broken) {
		ssize_t n = write(o->fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->broken = true;
			break;
		}
		text += n;
		len -= (size_t)n;
	}
}

void run_output_write(void *arg, int stream, const char *text, size_t len)
{
	RunOutput *o = arg;
	progress_log(o->progress, o->id, stream, text, len);
	write_log(o, text, len);
	if (!o->tail)
		o->tail = xmalloc(TAIL_SIZE);
	for (size_t i = len > TAIL_SIZE ? len - TAIL_SIZE : 0; i < len; i++)
		o->tail[(o->total + i) % TAIL_SIZE] = text[i];
	o->total += len;
}

/* The last lines, one a line with an indent; NULL if nothing was printed. Owned. */
static char *last_lines(const RunOutput *o)
{
	size_t len = o->total < TAIL_SIZE ? (size_t)o->total : TAIL_SIZE;
	if (len == 0)
		return NULL;
	_cleanup_free_ char *text = xmalloc(len);
	for (size_t i = 0; i < len; i++)
		text[i] = o->tail[(o->total - len + i) % TAIL_SIZE];
	Str rest = {text, len}, line;
	while (rest.len && rest.ptr[rest.len - 1] == '\n')
		rest.len--;
	size_t start = rest.len, lines = 0;
	while (start > 0 && (rest.ptr[start - 1] != '\n' || ++lines < TAIL_LINES))
		start--;
	rest = str_slice(rest, start, rest.len);
	Buf b = BUF_INIT(SIZE_MAX);
	buf_printf(&b, "last output%s:\n", o->total > len || start > 0 ? " (end)" : "");
	while (str_cut(&rest, '\n', &line))
		buf_printf(&b, "    " STR_FMT "\n", STR_ARG(line));
	return buf_steal(&b);
}

static const char *signal_meaning(int sig)
{
	return sig == SIGKILL    ? " (killed: often the system is out of memory)"
		: sig == SIGSEGV ? " (segmentation fault)"
				 : "";
}

static void add_status_hint(int status, Buf *hint)
{
	if (status == 127)
		buf_cstr(hint, "status 127: the shell did not find the command; ");
	else if (status == 126)
		buf_cstr(hint, "status 126: the command cannot be executed; ");
}

int run_output_check(RunOutput *o, const SandboxResult *result, const StrVec *argv, Err **err)
{
	if (result->exit_status == 0 && result->signal == 0)
		return 0;
	_cleanup_free_ char *words = strvec_join(argv, " ");
	size_t shown = strcspn(words, "\n");
	bool cut = words[shown] || shown > COMMAND_SHOWN;
	_cleanup_free_ char *command =
		xasprintf("%.*s%s", (int)MIN(shown, (size_t)COMMAND_SHOWN), words, cut ? "…" : "");
	_cleanup_buf_ Buf hint = BUF_INIT(64 << 10);
	int r = 0;
	if (result->signal) {
		const char *name = sigabbrev_np(result->signal);
		r = err_set(err, ERR_RUN_FAILED, "'%s' was killed by signal %s%s%s", command,
			name ? "SIG" : "", name ? name : "?", signal_meaning(result->signal));
	} else {
		r = err_set(err, ERR_RUN_FAILED, "'%s' exited with status %d", command,
			result->exit_status);
		add_status_hint(result->exit_status, &hint);
	}
	if (!err)
		return r;
	(*err)->errnum = result->signal ? 128 + result->signal : result->exit_status;
	free((*err)->excerpt);
	(*err)->excerpt = last_lines(o);
	if (o->fd >= 0)
		buf_printf(
			&hint, "the whole output is in %s/logs/%s", store_path(o->store), o->name);
	if (hint.len)
		err_hint(err, "%s", hint.ptr);
	return r;
}

void run_output_done(RunOutput *o)
{
	closep(&o->fd);
	free(o->tail);
	o->tail = NULL;
}
