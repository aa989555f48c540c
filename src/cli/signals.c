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

int signals_received(void)
{
	return received;
}
