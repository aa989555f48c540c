/* Bounds on everything that foreign data controls, in one place. */
#pragma once

#define LIMIT_MANIFEST_SIZE   (4u << 20)   /* bytes of a manifest, index or config */
#define LIMIT_LAYERS          4096u        /* layers in one image */
#define LAYERS_OF_DOCKER      127u         /* what its overlay driver takes */
#define LIMIT_INDEX_MANIFESTS 16384u       /* manifests in one index, names in the store */
#define LIMIT_JSON_DEPTH      64u          /* nesting of arrays and objects */
#define LIMIT_JSON_VALUES     (256u << 10) /* values of one document: each costs up to 200 bytes */
#define LIMIT_PATH            4096u        /* bytes of a path inside a layer */
#define LIMIT_PAX_RECORDS     (1u << 20)   /* bytes of one PAX header body */
#define LIMIT_XATTR_SIZE      (64u << 10)  /* bytes of one extended attribute */
#define LIMIT_LAYER_ENTRIES   (16u << 20)  /* entries of one layer */
#define LIMIT_DOCKERFILE_SIZE (16u << 20)  /* bytes of a Dockerfile */
#define LIMIT_DOCKERFILE_LINE 65535u       /* bytes of one physical line (BuildKit's scanner) */
#define LIMIT_STAGES          1024u /* stages of a Dockerfile; each that is built has a thread */
#define LIMIT_EXPANSION       (1u << 20)    /* bytes of one expanded word */
#define LIMIT_SYMLINKS        40            /* links followed in one path */
#define LIMIT_SECRET_SIZE     (500u << 10)  /* bytes of a build secret */
#define LIMIT_REFERENCE       512u          /* bytes of an image reference */
#define LIMIT_INFLATED        (64ull << 30) /* uncompressed bytes of one compressed stream */
#define LIMIT_INFLATE_RATIO   1100u         /* of gzip: deflate itself cannot pass 1032 */
#define LIMIT_INFLATE_SLACK   (1u << 20)    /* bytes beyond the ratio, for short streams */
#define LIMIT_ZSTD_WINDOW_LOG 27            /* 128 MiB: the window of zstd --ultra and --long */
#define LIMIT_CONFIG_SIZE                                                                          \
	(1u << 20) /* bytes of registries.conf, hosts.toml, auth.json, config.json */
#define LIMIT_CERTIFICATES (4u << 20) /* bytes of all certificate authorities for one server */
