#include "cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include "base/cancel.h"

static Sandbox *running;
static volatile sig_atomic_t received;

static void handle(int number)
{
	if (received)
		_exit(128 + number);
	received = number;
	cancel_request();
	if (running)
		sandbox_cancel(running);
}

void signals_install(Sandbox *sandbox)
{
	running = sandbox;
	struct sigaction action = {.sa_handler = handle};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static bool has_terminal;

static void pass_on(int number, siginfo_t *info, void *context _unused_)
{
	static volatile sig_atomic_t asked;
	bool key = has_terminal && info->si_code == SI_KERNEL;
	bool ends = number == SIGINT || number == SIGTERM;
	if (ends && !key)
		asked = asked + 1;
	if (asked > 2 && ends)
		handle(number);
	else if (!sandbox_signal(running, key ? 0 : number)) /* 0: only asks whether it runs */
		handle(number);
}

void signals_pass_on(Sandbox *sandbox, bool tty)
{
	static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
	running = sandbox;
	has_terminal = tty;
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++)
		sigaction(passed[i], &action, NULL);
}

int signals_received(void)
{
	return received;
}
