/* Settings of TLS, of tokens and of certificates. */
#include "check.h"

/* Sets an option to the bytes of a variable, if there is one. Returns the status. */
static int32_t set_bytes(ftx_config *config, uint32_t option, const char *variable)
{
    const char *text = getenv(variable);
    return text ? ftx_config_set_bytes(config, option, text, strlen(text)) : FTX_OK;
}

static void set_number(ftx_config *config, uint32_t option, const char *variable)
{
    const char *text = getenv(variable);
    uint64_t number;
    if (!text)
        return;
    CHECK_STATUS(ftx_config_set_u64(config, option, strtoul(text, NULL, 10)), FTX_OK);
    CHECK_STATUS(ftx_config_get_u64(config, option, &number), FTX_OK);
    CHECK(number == strtoul(text, NULL, 10));
}

/* Uploads a file with the settings that variables give. Prints the status and the reason. */
void secure(const char *address, const char *directory)
{
    const char *path = path_of(directory, "secure");
    ftx_config *config = ftx_config_new();
    ftx_client *client = NULL;
    ftx_error error;
    int32_t status;
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    make_file(path, 100000, 1);
    set_number(config, FTX_OPTION_TLS, "FTX_TEST_TLS");
    set_number(config, FTX_OPTION_ACCEPT_NEW, "FTX_TEST_ACCEPT_NEW");
    CHECK_STATUS(set_bytes(config, FTX_OPTION_KNOWN_HOSTS, "FTX_TEST_KNOWN_HOSTS"), FTX_OK);
    CHECK_STATUS(set_bytes(config, FTX_OPTION_FINGERPRINT, "FTX_TEST_FINGERPRINT"), FTX_OK);
    CHECK_STATUS(set_bytes(config, FTX_OPTION_CLIENT_CERT, "FTX_TEST_CLIENT_CERT"), FTX_OK);
    CHECK_STATUS(set_bytes(config, FTX_OPTION_CLIENT_KEY, "FTX_TEST_CLIENT_KEY"), FTX_OK);
    CHECK_STATUS(ftx_config_set_u64(config, FTX_OPTION_TOKEN, 1), FTX_WRONG_TYPE);
    status = set_bytes(config, FTX_OPTION_TOKEN, "FTX_TEST_TOKEN");
    if (status == FTX_OK) {
        CHECK_STATUS(ftx_client_new(address, config, &client), FTX_OK);
        status = ftx_client_upload(client, path, "secure", NULL, NULL);
    }
    if (status != FTX_OK)
        ftx_last_error(&error);
    printf("%d %s\n", (int)status, error.message);
    ftx_client_free(client);
    ftx_config_free(config);
}
