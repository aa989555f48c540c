#include "serve/range.h"

static bool number(Str digits, uint64_t *ret)
{
	return digits.len > 0 && str_to_u64(digits, UINT64_MAX, ret, NULL) == 0;
}

/* A number that says more than 64 bits hold lies behind every end. */
static bool position(Str digits, uint64_t *ret)
{
	for (size_t i = 0; i < digits.len; i++)
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return false;
	if (digits.len && !number(digits, ret))
		*ret = UINT64_MAX;
	return digits.len > 0;
}

RangeKind range_parse(Str value, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t first = 0, last = 0;
	value = str_trim(value);
	ssize_t equals = str_find(value, '=');
	if (equals < 0 || !str_eq_nocase(str_trim(str_slice(value, 0, (size_t)equals)), "bytes"))
		return RANGE_WHOLE;
	Str set = str_trim(str_slice(value, (size_t)equals + 1, value.len));
	ssize_t dash = str_find(set, '-');
	if (dash < 0 || str_find(set, ',') >= 0)
		return RANGE_WHOLE;
	Str from = str_trim(str_slice(set, 0, (size_t)dash));
	Str to = str_trim(str_slice(set, (size_t)dash + 1, set.len));
	if (from.len == 0) { /* the last bytes */
		if (!position(to, &last))
			return RANGE_WHOLE;
		if (last == 0 || size == 0)
			return RANGE_UNSATISFIABLE;
		first = size - MIN(last, size);
		last = size - 1;
	} else {
		if (!position(from, &first) || (to.len && !position(to, &last)))
			return RANGE_WHOLE;
		if (first >= size || (to.len && last < first))
			return RANGE_UNSATISFIABLE;
		last = to.len ? MIN(last, size - 1) : size - 1;
	}
	*ret_first = first;
	*ret_last = last;
	return RANGE_PART;
}

bool content_range_parse(Str value, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t first = 0, last = 0;
	value = str_trim(value);
	if (str_starts(value, "bytes "))
		value = str_trim(str_slice(value, 6, value.len));
	ssize_t slash = str_find(value, '/');
	if (slash >= 0)
		value.len = (size_t)slash;
	ssize_t dash = str_find(value, '-');
	if (dash < 0 || !number(str_slice(value, 0, (size_t)dash), &first) ||
		!number(str_slice(value, (size_t)dash + 1, value.len), &last) || last < first ||
		last - first == UINT64_MAX)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}
