/* What the tests of the small parts share: cmocka with what it needs, and errors judged by code and words. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

/* The call has an `err` to give. 0 or more, or the test ends with the error's text. */
#define ok(call)                                                                                   \
	do {                                                                                       \
		_cleanup_err_ Err *ok_err = NULL;                                                  \
		Err **err = &ok_err;                                                               \
		int ok_r = (call);                                                                 \
		if (ok_r < 0 || ok_err)                                                            \
			fail_msg("%s: %s", #call, ok_err ? ok_err->message : "no error set");      \
	} while (0)

/* The call fails with this code, and its message has the words in it. */
#define fails(code_, words, call)                                                                  \
	do {                                                                                       \
		_cleanup_err_ Err *fails_err = NULL;                                               \
		Err **err = &fails_err;                                                            \
		int fails_r = (call);                                                              \
		if (fails_r != -(int)(code_) || !fails_err || fails_err->code != (code_))          \
			fail_msg("%s: %s expected, got %d (%s)", #call, err_code_name(code_),      \
				fails_r, fails_err ? fails_err->message : "no error");             \
		if (!strstr(fails_err->message, (words)))                                          \
			fail_msg("%s: '%s' is not in: %s", #call, (words), fails_err->message);    \
	} while (0)

/* An owned text is this one. */
#define assert_text(owned, expected)                                                               \
	do {                                                                                       \
		_cleanup_free_ char *text_is = (owned);                                            \
		assert_string_equal(text_is, (expected));                                          \
	} while (0)
