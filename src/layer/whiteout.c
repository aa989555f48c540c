#include "layer/whiteout.h"

#include "layer/pathtable.h"

bool whiteout_name_in(Str path)
{
	return str_starts(path, WHITEOUT_PREFIX) ||
		(path.len &&
			memmem(path.ptr, path.len, "/" WHITEOUT_PREFIX,
				sizeof("/" WHITEOUT_PREFIX) - 1));
}

static bool has_meta_component(Str path)
{
	Str word;
	while (str_cut(&path, '/', &word))
		if (str_starts(word, WHITEOUT_META_PREFIX))
			return true;
	return false;
}

static bool is_target_name(Str name)
{
	return name.len > 0 && !str_eq_cstr(name, ".") && !str_eq_cstr(name, "..") &&
		!str_starts(name, WHITEOUT_PREFIX);
}

int whiteout_parse(Str path, WhiteoutKind *ret, Buf *target, Err **err)
{
	*ret = WHITEOUT_NOT;
	if (!whiteout_name_in(path))
		return 0;
	Str dir = {0}, base = path_base(path);
	if (!path_parent(path, &dir))
		return 0;
	buf_clear(target);
	buf_str(target, dir);
	if (str_eq_cstr(base, WHITEOUT_OPAQUE) && !whiteout_name_in(dir)) {
		*ret = WHITEOUT_DIR;
		return 0;
	}
	if (has_meta_component(path)) {
		*ret = WHITEOUT_IGNORED;
		return 0;
	}
	Str name = str_slice(base, MIN(sizeof(WHITEOUT_PREFIX) - 1, base.len), base.len);
	if (whiteout_name_in(dir) || !is_target_name(name))
		return err_set(
			err, ERR_CORRUPT, "'" STR_FMT "' is no valid whiteout", STR_ARG(path));
	if (dir.len)
		buf_char(target, '/');
	buf_str(target, name);
	if (target->overflow)
		return err_set(err, ERR_LIMIT, "the path of a whiteout is longer than %zu bytes",
			target->max);
	*ret = WHITEOUT_PATH;
	return 0;
}
