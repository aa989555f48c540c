#include "cli/registry_flags.h"

#include "base/log.h"

int registry_flags_settings(const RegistryFlags *flags, RegistrySettings *ret, Err **err)
{
	if (flags->creds && flags->no_creds)
		return err_set(err, ERR_USAGE, "'--creds' and '--no-creds' cannot stand together");
	if (flags->creds && (!strchr(flags->creds, ':') || flags->creds[0] == ':'))
		return err_set(err, ERR_USAGE, "flag '--creds' takes USER:PASSWORD");
	*ret = (RegistrySettings){
		.authfile = flags->authfile,
		.creds = flags->creds,
		.ca_file = flags->ca_file,
		.cert_dir = flags->cert_dir,
		.registries = flags->registries_conf,
		.hosts_dir = flags->hosts_dir,
		.no_creds = flags->no_creds,
		.insecure = flags->insecure,
		.plain_http = flags->plain_http,
	};
	return 0;
}
