#include "serve/clients.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "base/vec.h"
#include "sys/tcp.h"

struct Client {
	Clients *all;
	int fd;
	ClientState state;
	int64_t since;  /* seconds of the monotonic clock */
	uint64_t taken; /* CLIENT_READS: bytes it had taken before */
};

struct Clients {
	int64_t seconds;
	pthread_mutex_t lock;
	VEC(Client *) all;
};

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

Clients *clients_new(unsigned seconds)
{
	Clients *c = xnew(Clients);
	c->seconds = seconds;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

Clients *clients_free(Clients *c)
{
	if (c) {
		vec_foreach (&c->all, client)
			free(*client);
		vec_done(&c->all);
		pthread_mutex_destroy(&c->lock);
		free(c);
	}
	return NULL;
}

Client *clients_add(Clients *c, int fd)
{
	Client *client = xnew(Client);
	client->all = c;
	client->fd = fd;
	client->since = now();
	pthread_mutex_lock(&c->lock);
	vec_push(&c->all, client);
	pthread_mutex_unlock(&c->lock);
	return client;
}

void clients_remove(Client *client)
{
	Clients *c = client->all;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->all.len; i++) {
		if (c->all.items[i] == client) {
			c->all.items[i] = c->all.items[--c->all.len];
			break;
		}
	}
	pthread_mutex_unlock(&c->lock);
	free(client);
}

void client_enters(Client *client, ClientState state)
{
	uint64_t taken = 0, waiting = 0;
	if (state == CLIENT_READS)
		(void)tcp_progress(client->fd, &taken, &waiting);
	pthread_mutex_lock(&client->all->lock);
	client->state = state;
	client->since = now();
	client->taken = taken;
	pthread_mutex_unlock(&client->all->lock);
}

static bool is_slow(const Clients *c, const Client *client)
{
	int64_t elapsed = now() - client->since;
	uint64_t taken = 0, waiting = 0;
	if (elapsed <= c->seconds || client->state != CLIENT_READS)
		return elapsed > c->seconds && client->state == CLIENT_ASKS;
	/* when nothing lies here, it is the server that is slow */
	return tcp_progress(client->fd, &taken, &waiting) && waiting > 0 &&
		taken - client->taken < CLIENT_MIN_RATE * (uint64_t)elapsed;
}

void clients_check(Clients *c)
{
	pthread_mutex_lock(&c->lock);
	vec_foreach (&c->all, client)
		if (is_slow(c, *client))
			(void)shutdown((*client)->fd, SHUT_RDWR); /* its thread finds the end */
	pthread_mutex_unlock(&c->lock);
}
