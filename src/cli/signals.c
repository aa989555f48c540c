#include "cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include "base/cancel.h"

#define PATIENCE 3 /* signals that a program may ignore */

static Sandbox *running;
static volatile sig_atomic_t received, forwarding, forwarded;

static void handle(int number)
{
	if (forwarding && ((number != SIGINT && number != SIGTERM) || ++forwarded < PATIENCE)) {
		sandbox_signal(running, number);
		return;
	}
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

void signals_forward(bool tty)
{
	static const int more[] = {SIGQUIT, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = handle}, ignore = {.sa_handler = SIG_IGN};
	forwarding = true;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		sigaction(more[i], &action, NULL);
	if (tty) {
		sigaction(SIGINT, &ignore, NULL);
		sigaction(SIGQUIT, &ignore, NULL);
	}
}

int signals_received(void)
{
	return received;
}
