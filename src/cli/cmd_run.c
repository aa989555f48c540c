#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/format.h"
#include "cli/registry_flags.h"
#include "cli/sandbox_args.h"
#include "cli/signals.h"
#include "image/pull.h"
#include "sandbox/sandbox.h"

/* What docker run returns when it is docker that failed, not the program. */
#define EXIT_RUN_FAILED 125

typedef struct RunOptions {
	StrVec env, env_files, volumes, mounts, tmpfs, add_hosts, ulimits;
	char *workdir, *user, *network, *entrypoint, *runtime, *platform, *hostname, *shm_size;
	bool read_only, interactive, tty;
	/* of docker: taken, or refused in better words than "unknown flag" */
	StrVec ports, ignored_values, limits;
	char *pull;
	RegistryFlags registry;
	bool detach, privileged, ignored;
} RunOptions;

static const Option rows[] = {
	{'e', "env", OPTION_STRINGS, offsetof(RunOptions, env), "NAME[=VALUE]",
		"set an environment variable (without a value: as it is here)"},
	{0, "env-file", OPTION_STRINGS, offsetof(RunOptions, env_files), "FILE",
		"read environment variables from a file, one a line"},
	{'w', "workdir", OPTION_STRING, offsetof(RunOptions, workdir), "DIR",
		"working directory of the program"},
	{'u', "user", OPTION_STRING, offsetof(RunOptions, user), "USER[:GROUP]",
		"who runs the program, by name or number"},
	{'v', "volume", OPTION_STRINGS, offsetof(RunOptions, volumes), "SOURCE:TARGET[:ro]",
		"bind a file or directory of the host"},
	{0, "mount", OPTION_STRINGS, offsetof(RunOptions, mounts), "type=bind|tmpfs,target=DIR[,…]",
		"the same in docker's long form, or a file system in memory"},
	{0, "tmpfs", OPTION_STRINGS, offsetof(RunOptions, tmpfs), "TARGET[:size=SIZE]",
		"mount a file system in memory"},
	{0, "shm-size", OPTION_STRING, offsetof(RunOptions, shm_size), "SIZE",
		"size of its /dev/shm (default 64m)"},
	{0, "ulimit", OPTION_STRINGS, offsetof(RunOptions, ulimits), "NAME=SOFT[:HARD]",
		"limit of the program, as nofile=1024 (may be repeated)"},
	{0, "network", OPTION_STRING, offsetof(RunOptions, network), "default|host|none",
		"network of the program (default: the host's)"},
	{0, "entrypoint", OPTION_STRING, offsetof(RunOptions, entrypoint), "PROGRAM",
		"run this instead of the image's entrypoint"},
	{0, "hostname", OPTION_STRING, offsetof(RunOptions, hostname), "NAME",
		"host name of the program (default cruet)"},
	{0, "add-host", OPTION_STRINGS, offsetof(RunOptions, add_hosts), "NAME:IP",
		"line for its /etc/hosts"},
	{0, "read-only", OPTION_FLAG, offsetof(RunOptions, read_only), NULL,
		"make the root file system read-only"},
	{'i', "interactive", OPTION_FLAG, offsetof(RunOptions, interactive), NULL,
		"pass standard input on"},
	{'t', "tty", OPTION_FLAG, offsetof(RunOptions, tty), NULL, "pass the terminal on"},
	{0, "runtime", OPTION_STRING, offsetof(RunOptions, runtime), "NAME",
		"use an OCI runtime (crun, runc or a path) instead of the built-in sandbox"},
	{0, "platform", OPTION_STRING, offsetof(RunOptions, platform), "OS/ARCH", PLATFORM_HELP},
	PULL_POLICY_ROW(RunOptions, pull),
	REGISTRY_FLAG_ROWS(RunOptions, registry),
	{0, "rm", OPTION_FLAG, offsetof(RunOptions, ignored), NULL, NULL},
	{0, "init", OPTION_FLAG, offsetof(RunOptions, ignored), NULL, NULL},
	{'q', "quiet", OPTION_FLAG, offsetof(RunOptions, ignored), NULL, NULL},
	{0, "sig-proxy", OPTION_FLAG, offsetof(RunOptions, ignored), NULL, NULL},
	{'P', "publish-all", OPTION_FLAG, offsetof(RunOptions, ignored), NULL, NULL},
	{0, "name", OPTION_STRINGS, offsetof(RunOptions, ignored_values), "NAME", NULL},
	{'l', "label", OPTION_STRINGS, offsetof(RunOptions, ignored_values), "LABEL", NULL},
	{0, "log-driver", OPTION_STRINGS, offsetof(RunOptions, ignored_values), "NAME", NULL},
	{0, "stop-signal", OPTION_STRINGS, offsetof(RunOptions, ignored_values), "SIGNAL", NULL},
	{0, "stop-timeout", OPTION_STRINGS, offsetof(RunOptions, ignored_values), "SECONDS", NULL},
	{0, "net", OPTION_STRING, offsetof(RunOptions, network), "default|host|none", NULL},
	{'p', "publish", OPTION_STRINGS, offsetof(RunOptions, ports), "PORT:PORT", NULL},
	{'m', "memory", OPTION_STRINGS, offsetof(RunOptions, limits), "SIZE", NULL},
	{0, "memory-swap", OPTION_STRINGS, offsetof(RunOptions, limits), "SIZE", NULL},
	{0, "cpus", OPTION_STRINGS, offsetof(RunOptions, limits), "N", NULL},
	{'c', "cpu-shares", OPTION_STRINGS, offsetof(RunOptions, limits), "N", NULL},
	{0, "cpuset-cpus", OPTION_STRINGS, offsetof(RunOptions, limits), "LIST", NULL},
	{0, "pids-limit", OPTION_STRINGS, offsetof(RunOptions, limits), "N", NULL},
	{'d', "detach", OPTION_FLAG, offsetof(RunOptions, detach), NULL, NULL},
	{0, "privileged", OPTION_FLAG, offsetof(RunOptions, privileged), NULL, NULL},
};

/* The network is the host's: a port can only be published as itself. */
static int check_port(const char *text, Err **err)
{
	Str ports = str_of(text);
	ssize_t at = str_rfind(ports, '/');
	if (at >= 0)
		ports = str_slice(ports, 0, (size_t)at);
	at = str_rfind(ports, ':');
	Str inside = str_slice(ports, (size_t)(at + 1), ports.len);
	Str outside = str_slice(ports, 0, (size_t)MAX(at, (ssize_t)0));
	outside = str_slice(outside, (size_t)(str_rfind(outside, ':') + 1), outside.len);
	if (at > 0 && str_eq(outside, inside))
		return 0;
	int r = err_set(err, ERR_UNSUPPORTED, "port '%s': ports are not mapped", text);
	err_hint(err,
		"the program listens on the host's network: it has its port " STR_FMT
		" there without the flag",
		STR_ARG(inside));
	return r;
}

static int check_docker_flags(const RunOptions *o, Err **err)
{
	int r = 0;
	if (o->detach) {
		r = err_set(err, ERR_UNSUPPORTED, "there is no daemon to leave the program to");
		err_hint(err, "leave -d out and put the shell's & behind the command");
		return r;
	}
	if (o->privileged) {
		r = err_set(err, ERR_UNSUPPORTED, "programs are not given more privileges");
		err_hint(err, "'cruet unpack' makes a directory for tools that do");
		return r;
	}
	for (size_t i = 0; r == 0 && i < o->ports.len; i++)
		r = check_port(o->ports.items[i], err);
	if (r == 0 && o->limits.len)
		fputs("note: limits of memory and processors have no effect: run cruet itself in a "
		      "control group\n",
			stderr);
	return r;
}

static int fill_mounts(const RunOptions *o, SandboxSpec *spec, Err **err)
{
	int r = ulimit_arguments(&o->ulimits, &spec->limits, err);
	if (r == 0 && o->shm_size)
		r = size_argument("shm-size", o->shm_size, &spec->shm_size, err);
	for (size_t i = 0; r == 0 && i < o->tmpfs.len; i++)
		r = tmpfs_argument(spec, o->tmpfs.items[i], err);
	for (size_t i = 0; r == 0 && i < o->mounts.len; i++)
		r = mount_argument(spec, o->mounts.items[i], err);
	for (size_t i = 0; r == 0 && i < o->volumes.len; i++)
		r = volume_argument(spec, o->volumes.items[i], err);
	return r;
}

static int add_env(StrVec *env, Str item, Err **err)
{
	_cleanup_free_ char *text = str_dup(item);
	char *eq = strchr(text, '=');
	if (eq == text || !*text)
		return err_set(err, ERR_USAGE, "environment variable '%s' has no name", text);
	if (eq) {
		*eq = '\0';
		strvec_env_set(env, text, eq + 1);
	} else if (getenv(text)) {
		strvec_env_set(env, text, getenv(text));
	}
	return 0;
}

static int add_env_file(StrVec *env, const char *path, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(1 << 20);
	int r = file_read(AT_FDCWD, path, text.max, &text, err);
	Str rest = buf_view(&text), line;
	while (r == 0 && str_cut(&rest, '\n', &line)) {
		line = str_trim(line);
		if (line.len && line.ptr[0] != '#')
			r = add_env(env, line, err);
	}
	return r;
}

static int fill_process(const RunOptions *o, const StoreImage *image, const StrVec *operands,
	SandboxSpec *spec, Err **err)
{
	const ImageConfig *c = &image->config;
	int r = 0;
	strvec_copy(&spec->env, &c->env);
	if (!strvec_env_get(&spec->env, "PATH"))
		strvec_push(&spec->env,
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (o->tty)
		strvec_env_set(&spec->env, "TERM", getenv("TERM") ? getenv("TERM") : "xterm");
	for (size_t i = 0; r == 0 && i < o->env_files.len; i++)
		r = add_env_file(&spec->env, o->env_files.items[i], err);
	for (size_t i = 0; r == 0 && i < o->env.len; i++)
		r = add_env(&spec->env, str_of(o->env.items[i]), err);
	if (r == 0)
		r = fill_mounts(o, spec, err);
	if (r < 0)
		return r;
	if (o->entrypoint && *o->entrypoint)
		strvec_push(&spec->argv, o->entrypoint);
	else if (!o->entrypoint)
		strvec_copy(&spec->argv, &c->entrypoint);
	for (size_t i = 1; i < operands->len; i++)
		strvec_push(&spec->argv, operands->items[i]);
	if (operands->len == 1 && !o->entrypoint)
		strvec_copy(&spec->argv, &c->cmd);
	if (spec->argv.len == 0) {
		r = err_set(
			err, ERR_USAGE, "image '%s' names no program to run", operands->items[0]);
		err_hint(err, "add the command: cruet run %s COMMAND…", operands->items[0]);
		return r;
	}
	spec->cwd = xstrdup(o->workdir                      ? o->workdir
			: c->working_dir && *c->working_dir ? c->working_dir
							    : "/");
	spec->user = xstrdup(o->user ? o->user : c->user ? c->user : "");
	spec->hostname = xstrdup(o->hostname ? o->hostname : "cruet");
	spec->network_none = o->network && strcmp(o->network, "none") == 0;
	spec->rootfs_read_only = o->read_only;
	spec->runtime = xstrdup(o->runtime);
	strvec_copy(&spec->extra_hosts, &o->add_hosts);
	return 0;
}

static int fill_rootfs(
	Store *s, const StoreImage *image, StoreTemp *temp, SandboxSpec *spec, Err **err)
{
	LayerStack stack;
	layer_stack_init(&stack);
	stack.unpack = true;
	_cleanup_(pool_freep) Pool *pool = pool_new(0);
	int r = layer_stack_push_image(&stack, s, image, err);
	if (r == 0)
		r = layer_stack_trees(&stack, s, pool, NULL, &spec->lowers, err);
	layer_stack_done(&stack);
	if (r == 0)
		r = mkdir_p(store_temp_fd(temp), "upper", 0755, err);
	if (r == 0)
		r = mkdir_p(store_temp_fd(temp), "work", 0755, err);
	spec->upper = xasprintf("%s/upper", store_temp_path(temp));
	spec->work = xasprintf("%s/work", store_temp_path(temp));
	return r;
}

/* As docker run does, unless --pull=never: what the store does not have comes from its registry first. */
static int fetch_image(CmdCtx *ctx, const RunOptions *o, const char *name, Err **err)
{
	_cleanup_(registry_session_close) RegistrySession session = {0};
	_cleanup_(platform_done) Platform platform = {0};
	_cleanup_(store_image_done) StoreImage image = {0};
	Reference ref = {0};
	Descriptor pulled = {0};
	PullPolicy policy = PULL_MISSING;
	int r = pull_policy_argument(o->pull, &policy, err);
	if (r == 0)
		r = platform_argument(o->platform, &platform, err);
	if (r < 0 || policy == PULL_NEVER || reference_parse(str_of(name), &ref, NULL) < 0)
		return r;
	if (policy == PULL_ALWAYS ||
		store_image(ctx->store, name, &platform, &image, NULL) == -ERR_NOT_FOUND) {
		PullOptions options = {.platform = &platform, .unpack = true};
		r = registry_session_open(&o->registry, false, NULL, "Pulling", &session, err);
		options.progress = session.progress;
		if (r == 0)
			r = image_pull(ctx->store, session.registry, &ref, &options, &pulled, err);
		if (r < 0 && policy == PULL_MISSING)
			err_prefix(err, "'%s' is not in the store", name);
		descriptor_done(&pulled);
	}
	reference_done(&ref);
	return r;
}

static void note_platform(const char *name, const Platform *want, const Platform *have)
{
	if (platform_match(want, have) > 0)
		return;
	_cleanup_free_ char *wanted = platform_format(want), *is = platform_format(have);
	fprintf(stderr, "note: image '%s' is for %s, not %s\n", name, is, wanted);
}

static int run_image(CmdCtx *ctx, Sandbox *sandbox, const RunOptions *o, const StrVec *operands,
	int *ret_status, Err **err)
{
	_cleanup_(store_temp_freep) StoreTemp *temp = NULL;
	_cleanup_(sandbox_spec_done) SandboxSpec spec = SANDBOX_SPEC_INIT;
	_cleanup_(store_image_done) StoreImage image = {0};
	_cleanup_(platform_done) Platform platform = {0};
	SandboxResult result = {0};
	int r = check_docker_flags(o, err);
	if (r == 0)
		r = platform_argument(o->platform, &platform, err);
	if (r == 0)
		r = store_image(ctx->store, operands->items[0], &platform, &image, err);
	if (r == 0)
		note_platform(operands->items[0], &platform, &image.config.platform);
	if (r == 0)
		r = fill_process(o, &image, operands, &spec, err);
	if (r == 0)
		r = store_temp_new(ctx->store, &temp, err);
	if (r == 0)
		r = fill_rootfs(ctx->store, &image, temp, &spec, err);
	if (r < 0)
		return r;
	spec.tty = o->tty;
	spec.pass_stdin = o->interactive || o->tty;
	spec.stdio[0] = spec.pass_stdin ? STDIN_FILENO : -1;
	spec.stdio[1] = STDOUT_FILENO;
	spec.stdio[2] = STDERR_FILENO;
	r = sandbox_run(sandbox, &spec, NULL, NULL, &result, err);
	if (r == 0)
		*ret_status = result.signal ? 128 + result.signal : result.exit_status;
	sandbox_result_done(&result);
	return r;
}

static int run_run(CmdCtx *ctx, void *options, const StrVec *operands, Err **err)
{
	_cleanup_(sandbox_freep) Sandbox *sandbox = NULL;
	_cleanup_err_ Err *e = NULL;
	ctx->exit_status = EXIT_RUN_FAILED;
	int r = sandbox_new(&sandbox, err);
	if (r < 0)
		return r;
	signals_install(NULL);
	r = fetch_image(ctx, options, operands->items[0], err);
	if (r < 0)
		return r;
	signals_pass_on(sandbox, ((const RunOptions *)options)->tty);
	r = run_image(ctx, sandbox, options, operands, &ctx->exit_status, &e);
	if (r == 0)
		return 0;
	if (signals_received()) {
		ctx->exit_status = 128 + signals_received();
		return 0;
	}
	if (err_is(e, ERR_RUN_FAILED))
		ctx->exit_status = e->errnum; /* 126 or 127 */
	return err_move(err, &e);
}

const Command cmd_run = {
	.name = "run",
	.operands = "IMAGE [COMMAND [ARGUMENT…]]",
	.summary = "Run a program in an image, in the sandbox that builds use",
	.description =
		"Everything the program writes into its root file system is thrown away. The exit status is\n"
		"the program's; 125 if cruet itself failed, 126 or 127 if the program could not be started.\n"
		"Signals go to the program; the third SIGINT or SIGTERM ends it whatever it does.\n"
		"\n"
		"Flags of docker run that need nothing done here are taken too: --rm, --init, --name, --label,\n"
		"--publish PORT:PORT, and with a note limits of memory and processors.\n",
	.options = rows,
	.n_options = ARRAY_SIZE(rows),
	.options_size = sizeof(RunOptions),
	.needs = NEEDS_STORE | NEEDS_IDS | RUNS_PROGRAMS | NEEDS_RAW_TAIL,
	.min_operands = 1,
	.max_operands = UINT32_MAX,
	.run = run_run,
};
