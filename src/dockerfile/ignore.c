#include "dockerfile/ignore.h"

#include "base/glob.h"
#include "base/limits.h"

int ignore_parse(Str text, const char *path, StrVec *ret, Err **err)
{
	Str rest = text, line;
	int number = 0;
	if (text.len > LIMIT_DOCKERFILE_SIZE)
		return err_set(
			err, ERR_LIMIT, "%s is longer than %u bytes", path, LIMIT_DOCKERFILE_SIZE);
	if (str_starts(text, "\xef\xbb\xbf"))
		rest = str_slice(text, 3, text.len);
	while (str_cut(&rest, '\n', &line)) {
		number++;
		if (line.len && line.ptr[0] == '#')
			continue;
		line = str_trim(line);
		bool exception = line.len && line.ptr[0] == '!';
		if (exception)
			line = str_trim(str_slice(line, 1, line.len));
		if (line.len == 0 && !exception)
			continue;
		if (line.len == 0) {
			int r = err_set(err, ERR_PARSE, "'!' alone is no pattern");
			err_at(err, path, number);
			return r;
		}
		if (line.len > LIMIT_PATH || memchr(line.ptr, '\0', line.len)) {
			int r = err_set(
				err, ERR_PARSE, "the pattern is too long or holds NUL bytes");
			err_at(err, path, number);
			return r;
		}
		_cleanup_free_ char *clean = path_clean(line);
		const char *relative = clean[0] == '/' && clean[1] ? clean + 1 : clean;
		strvec_pushf(ret, "%s%s", exception ? "!" : "", relative);
	}
	return 0;
}
