#include "cli/outfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct OutputFile {
	AtomicFile *file; /* NULL: written in place */
	Writer *writer;
};

/* A pipe or device cannot be renamed over: it is written as it is. */
static bool is_special(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int output_open(const char *path, OutputFile **ret, Err **err)
{
	_cleanup_(output_freep) OutputFile *o = xnew(OutputFile);
	if (!path || strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO)) {
			int r = err_set(err, ERR_USAGE, "standard output is a terminal");
			err_hint(err, "name a file with -o FILE, or redirect");
			return r;
		}
		o->writer = fd_writer_new(STDOUT_FILENO, false, "standard output");
	} else if (is_special(path)) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(err, "open '%s'", path);
		o->writer = fd_writer_new(fd, true, path);
	} else {
		int r = atomic_file_open(AT_FDCWD, path, 0666, &o->file, err);
		if (r < 0)
			return r;
		o->writer = atomic_file_writer(o->file);
	}
	*ret = TAKE_PTR(o);
	return 0;
}

Writer *output_writer(OutputFile *o)
{
	return o->writer;
}

int output_commit(OutputFile *o, Err **err)
{
	int r = writer_finish(o->writer, err);
	if (r == 0 && o->file)
		r = atomic_file_commit(o->file, NULL, false, err);
	return r;
}

OutputFile *output_free(OutputFile *o)
{
	if (o) {
		writer_free(o->writer);
		atomic_file_free(o->file);
		free(o);
	}
	return NULL;
}
