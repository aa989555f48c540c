/* What build and run say about the sandbox in docker's words: sizes, limits, volumes, mounts. */
#pragma once

#include "sandbox/sandbox.h"

/* "64m": bytes, with b, k, m, g or t behind. */
int size_argument(const char *flag, const char *text, uint64_t *ret, Err **err) _warn_unused_;
/* "nofile=1024[:2048]", -1 for no limit. */
int ulimit_arguments(const StrVec *texts, SandboxLimits *ret, Err **err) _warn_unused_;
/* "SOURCE:TARGET[:ro]" */
int volume_argument(SandboxSpec *spec, const char *text, Err **err) _warn_unused_;
/* "type=bind,source=…,target=…[,readonly]" or "type=tmpfs,target=…[,tmpfs-size=…]" */
int mount_argument(SandboxSpec *spec, const char *text, Err **err) _warn_unused_;
/* "TARGET[:size=…,mode=…]" */
int tmpfs_argument(SandboxSpec *spec, const char *text, Err **err) _warn_unused_;
