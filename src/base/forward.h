/* Names of types that headers may pass by pointer without including their definition. */
#pragma once

typedef struct Err Err;
typedef struct Reader Reader;
typedef struct Writer Writer;
typedef struct Pool Pool;
typedef struct Progress Progress;
