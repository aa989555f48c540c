/*
 * Connections, and the end of those whose client lets the server wait: libmicrohttpd knows an idle time only, which one
 * byte now and then keeps from running out. A request's head has to be complete, and an answer has to be taken, in time.
 * (A body that comes too slowly is the request's own business.) Thread-safe.
 */
#pragma once

#include <stdint.h>

#include "base/mem.h"

#define CLIENT_MIN_RATE                                                                            \
	256 /* bytes a second of a body or an answer, on average, once the grace is over */

typedef enum ClientState {
	CLIENT_ASKS,  /* a head is awaited, or on its way */
	CLIENT_WAITS, /* for the server; or its body comes */
	CLIENT_READS, /* an answer is on its way */
} ClientState;

typedef struct Clients Clients;
typedef struct Client Client;
/* seconds: for a head, and the grace of an answer. */
Clients *clients_new(unsigned seconds);
Clients *clients_free(Clients *c); /* all of them are gone */
DEFINE_FREEP(Clients, clients_free)
Client *clients_add(Clients *c, int fd); /* asks; fd stays open until clients_remove */
void clients_remove(Client *client);
void client_enters(Client *client, ClientState state);
void clients_check(Clients *c); /* now and then: cuts those that are too slow */
