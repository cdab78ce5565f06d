#include "CCurl.h"

#include <dlfcn.h>

// Else the headers' macros that check the types of arguments call functions by names that are not linked.
#undef curl_easy_setopt
#undef curl_easy_getinfo

static struct {
    CURLcode (*global_init)(long);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *);
    CURLcode (*easy_perform)(CURL *);
    const char *(*easy_strerror)(CURLcode);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free_all)(struct curl_slist *);
    curl_version_info_data *(*version_info)(CURLversion);
} curl;

const char *taxi_curl_load(void) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
    const struct {
        const char *name;
        void *place;
    } functions[] = {
        {"curl_global_init", &curl.global_init},   {"curl_easy_init", &curl.easy_init},
        {"curl_easy_cleanup", &curl.easy_cleanup}, {"curl_easy_perform", &curl.easy_perform},
        {"curl_easy_strerror", &curl.easy_strerror}, {"curl_easy_setopt", &curl.easy_setopt},
        {"curl_easy_getinfo", &curl.easy_getinfo}, {"curl_slist_append", &curl.slist_append},
        {"curl_slist_free_all", &curl.slist_free_all}, {"curl_version_info", &curl.version_info},
    };
    for (size_t index = 0; index < sizeof functions / sizeof *functions; index++) {
        void *function = dlsym(library, functions[index].name);
        if (!function) return dlerror();
        *(void **)functions[index].place = function;
    }
    CURLcode code = curl.global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK ? NULL : curl.easy_strerror(code);
}

CURL *taxi_curl_easy_init(void) { return curl.easy_init(); }
void taxi_curl_easy_cleanup(CURL *handle) { curl.easy_cleanup(handle); }
CURLcode taxi_curl_easy_perform(CURL *handle) { return curl.easy_perform(handle); }
const char *taxi_curl_easy_strerror(CURLcode code) { return curl.easy_strerror(code); }

struct curl_slist *taxi_curl_slist_append(struct curl_slist *list, const char *text) { return curl.slist_append(list, text); }
void taxi_curl_slist_free_all(struct curl_slist *list) { curl.slist_free_all(list); }

CURLcode taxi_curl_set_long(CURL *handle, CURLoption option, long value) { return curl.easy_setopt(handle, option, value); }
CURLcode taxi_curl_set_size(CURL *handle, CURLoption option, curl_off_t value) { return curl.easy_setopt(handle, option, value); }
CURLcode taxi_curl_set_text(CURL *handle, CURLoption option, const char *value) { return curl.easy_setopt(handle, option, value); }
CURLcode taxi_curl_set_pointer(CURL *handle, CURLoption option, void *value) { return curl.easy_setopt(handle, option, value); }

CURLcode taxi_curl_set_bytes(CURL *handle, CURLoption option, taxi_curl_bytes function) {
    return curl.easy_setopt(handle, option, function);
}

CURLcode taxi_curl_set_progress(CURL *handle, curl_xferinfo_callback function) {
    return curl.easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, function);
}

long taxi_curl_status(CURL *handle) {
    long status = 0;
    curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

unsigned int taxi_curl_version(void) { return curl.version_info(CURLVERSION_NOW)->version_num; }
