/*
 * Inside COPY and ADD: a plan is a list of entries of the coming layer, each with the place its body comes
 * from, sorted as the layer will be; archives that ADD unpacks follow behind.
 *
 *	copy_source.c	selects what is copied, out of a context or a stack of layers
 *	copy_place.c	where it goes: destination rules, missing parents, conflicts, order
 *	copy_archive.c	ADD of a tar
 *	copy_emit.c	digest and layer
 */
#pragma once

#include "base/map.h"
#include "build/copy.h"
#include "build/owner.h"

typedef enum BodyKind {
	BODY_NONE,
	BODY_CONTEXT, /* context */
	BODY_STACK,   /* node */
	BODY_BYTES,   /* bytes */
	BODY_FILE,    /* file: a downloaded one */
} BodyKind;

typedef struct CopyEntry {
	/* texts and node belong to the plan's or a walk's arena */
	char *path; /* in the layer, no leading '/' */
	char *link; /* symlink target, or hardlink target path in the layer */
	TarType type;
	uint32_t mode;
	uint64_t uid, gid, size;
	int64_t mtime;
	uint32_t dev_major, dev_minor;
	BodyKind body;
	ContextEntry *context; /* borrowed from the plan's walks */
	const TreeNode *node;  /* of the source, when it is in a stack */
	Str bytes;             /* borrowed */
	const char *file;      /* borrowed path below the plan's temp directory */
	Digest digest;         /* of the body when has_digest */
	bool has_digest;
	bool keep_existing; /* a directory that is only named: what is there keeps its metadata (27) */
	unsigned order;     /* of insertion: the later of two equal paths wins */
} CopyEntry;

typedef struct CopyArchive {
	char *dest;       /* directory in the layer, "" = root; in the arena */
	CopyEntry source; /* body only */
	Digest digest;
	bool has_digest;
	unsigned order; /* entries with a larger one come from later sources */
} CopyArchive;

struct CopyPlan {
	const CopyOp *op;
	const LayerStack *onto;
	Store *store;
	Pool *pool;
	Owner owner;
	ModeChange *mode;
	GlobSet *excludes;
	int64_t now;     /* mtime of what COPY makes up itself */
	StoreTemp *temp; /* downloads; NULL until needed */
	VEC(CopyEntry) entries;
	VEC(CopyArchive) archives;
	VEC(ContextEntries *) walks;
	Arena arena;
};

/* What one source word stands for, before it is placed. */
typedef struct Source {
	char *path;    /* real path in context or stack; "" = root */
	char *shown;   /* name as the destination's base name is made of it */
	char *parents; /* --parents: directory part kept below the destination, or NULL */
	bool is_dir;
} Source;
typedef VEC(Source) Sources;
void sources_done(Sources *s);

/* Expands wildcards and follows links. *ret_wild: the word had wildcards. */
int copy_select(CopyPlan *p, const char *word, Sources *ret, bool *ret_wild, Err **err)
	_warn_unused_;
/* Adds the source's subtree (or file) as entries whose paths start with dest ("" = root). A directory's own entry
 * gets path dest itself. */
int copy_gather(CopyPlan *p, const Source *source, const char *dest, Err **err) _warn_unused_;
/* Metadata of the source directories above source->parents (--parents). */
int copy_gather_parents(CopyPlan *p, const Source *source, const char *dest, Err **err)
	_warn_unused_;

/* The entry dest/below (each may be ""). */
CopyEntry *copy_add(CopyPlan *p, Str dest, Str below, TarType type);
int copy_open_body(CopyPlan *p, const CopyEntry *e, Reader **ret, Err **err) _warn_unused_;

/* Places every source word of the op. */
int copy_place(CopyPlan *p, Progress *progress, unsigned progress_id, Err **err) _warn_unused_;
/* Whether the body starts like a tar, compressed or not (ADD, 42). */
int copy_is_archive(CopyPlan *p, const CopyEntry *e, bool *ret, Err **err) _warn_unused_;
int copy_unpack_archive(CopyPlan *p, const CopyArchive *a, LayerWriter *out, Err **err)
	_warn_unused_;
