/* Ctrl-C and SIGTERM: the first asks the work to stop and clean up, the second ends the program at once (the
 * store is made to survive that). */
#pragma once

#include "sandbox/sandbox.h"

/* sandbox may be NULL; must outlive the program's work. */
void signals_install(Sandbox *sandbox);
/* For a verb that is nothing but one program: while that runs, signals are its business and passed on to it; the third
 * SIGINT or SIGTERM ends it all the same. tty: the program has the terminal and gets from there itself what keys send. */
void signals_pass_on(Sandbox *sandbox, bool tty);
int signals_received(void); /* number of the signal, 0 if none */
