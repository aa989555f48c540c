/*
 * TOML read by toml++, the only C++ of the program: there is no TOML library for C in Debian. No exceptions, no run-time
 * types, no streams, nothing but the standard library behind it, which is linked in (src/registry/meson.build).
 */
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#define TOML_MAX_NESTED_VALUES 32
/* "[" before what is no key would end the program by an assertion; without it, it is the error that comes next */
#define TOML_ASSERT(expr) static_assert(true)
#undef NDEBUG /* with it, what was asserted would be assumed */

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <toml++/toml.h>

#include "registry/toml_int.h"

namespace
{

struct Sink {
	TomlFn fn;
	void *arg;
};

struct Member {
	const toml::key *key;
	const toml::node *value;
};

bool comes_first(const Member &a, const Member &b)
{
	const auto &x = a.key->source().begin, &y = b.key->source().begin;
	return x.line != y.line ? x.line < y.line : x.column < y.column;
}

void emit(const Sink &sink, const toml::node &node);

void emit_table(const Sink &sink, const toml::table &table)
{
	/* toml++ sorts by name; here the order is a meaning (hosts.toml) */
	std::vector<Member> members;
	members.reserve(table.size());
	for (auto &&[key, value] : table)
		members.push_back({&key, &value});
	std::sort(members.begin(), members.end(), comes_first);
	for (const Member &m : members) {
		std::string_view name = m.key->str();
		sink.fn(sink.arg, TOML_KEY, name.data(), name.size(), 0, m.key->source().begin.line);
		emit(sink, *m.value);
	}
}

void emit(const Sink &sink, const toml::node &node)
{
	unsigned line = node.source().begin.line;
	if (const toml::table *table = node.as_table()) {
		sink.fn(sink.arg, TOML_TABLE, nullptr, 0, 0, line);
		emit_table(sink, *table);
		sink.fn(sink.arg, TOML_END, nullptr, 0, 0, line);
	} else if (const toml::array *array = node.as_array()) {
		sink.fn(sink.arg, TOML_ARRAY, nullptr, 0, 0, line);
		for (const toml::node &item : *array)
			emit(sink, item);
		sink.fn(sink.arg, TOML_END, nullptr, 0, 0, line);
	} else if (const auto *text = node.as_string()) {
		const std::string &s = text->get();
		sink.fn(sink.arg, TOML_STRING, s.data(), s.size(), 0, line);
	} else if (const auto *number = node.as_integer()) {
		sink.fn(sink.arg, TOML_INTEGER, nullptr, 0, number->get(), line);
	} else if (const auto *flag = node.as_boolean()) {
		sink.fn(sink.arg, TOML_BOOL, nullptr, 0, flag->get(), line);
	} else {
		sink.fn(sink.arg, TOML_OTHER, nullptr, 0, 0, line);
	}
}

} /* namespace */

extern "C" unsigned toml_events(
	const char *text, size_t len, TomlFn fn, void *arg, char *message, size_t size)
{
	toml::parse_result result = toml::parse(std::string_view(text, len));
	if (!result) {
		std::string_view what = result.error().description();
		size_t n = std::min(what.size(), size - 1);
		memcpy(message, what.data(), n);
		message[n] = '\0';
		return std::max(1u, static_cast<unsigned>(result.error().source().begin.line));
	}
	emit({fn, arg}, result.table());
	return 0;
}
