/* Ctrl-C and SIGTERM: the first asks the work to stop and clean up, the second ends the program at once (the
 * store is made to survive that). */
#pragma once

#include "sandbox/sandbox.h"

/* sandbox may be NULL; must outlive the program's work. */
void signals_install(Sandbox *sandbox);
/* From now on signals are the business of the program in the sandbox, as docker run has it; the third SIGINT or SIGTERM
 * is for this one. tty: those of keys reach the program by themselves. */
void signals_forward(bool tty);
int signals_received(void); /* number of the signal, 0 if none */
