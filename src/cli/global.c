#include "cli/global.h"

const Option global_rows[] = {
	{0, "root", OPTION_STRING, offsetof(GlobalOptions, root), "DIR",
		"the image store (default: $CRUET_ROOT, else /var/lib/cruet, for a user ~/.local/share/cruet)"},
	{0, "debug", OPTION_STRING, offsetof(GlobalOptions, debug), "PARTS",
		"trace parts of the program to stderr: all, layer, registry"},
	{'h', "help", OPTION_FLAG, offsetof(GlobalOptions, help), NULL, "show this help"},
};
const size_t n_global_rows = ARRAY_SIZE(global_rows);

bool global_takes_value(const char *word)
{
	for (size_t i = 0; i < n_global_rows; i++)
		if (!option_is_flag(&global_rows[i]) && cstr_starts(word, "--") &&
			strcmp(word + 2, global_rows[i].name) == 0)
			return true;
	return false;
}
