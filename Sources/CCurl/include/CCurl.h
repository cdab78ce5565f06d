#pragma once

#include <curl/curl.h>

// libcurl, loaded when it is first used: with the two dozen libraries that it needs, each command would start 5 ms later.
//
// Functions of libcurl under their own names with taxi_ before them; of variadic ones, which Swift cannot call, one for each type
// that an option takes. `taxi_curl_load` comes before all others.

// Loads and starts libcurl. Returns null, or why it cannot be used. To be called once.
const char *taxi_curl_load(void);

CURL *taxi_curl_easy_init(void);
void taxi_curl_easy_cleanup(CURL *handle);
CURLcode taxi_curl_easy_perform(CURL *handle);
const char *taxi_curl_easy_strerror(CURLcode code);

struct curl_slist *taxi_curl_slist_append(struct curl_slist *list, const char *text);
void taxi_curl_slist_free_all(struct curl_slist *list);

CURLcode taxi_curl_set_long(CURL *handle, CURLoption option, long value);
CURLcode taxi_curl_set_size(CURL *handle, CURLoption option, curl_off_t value);
// Texts are copied, but for CURLOPT_POSTFIELDS; a list, a buffer or a context stays the caller's until the transfer is over.
CURLcode taxi_curl_set_text(CURL *handle, CURLoption option, const char *value);
CURLcode taxi_curl_set_pointer(CURL *handle, CURLoption option, void *value);

typedef size_t (*taxi_curl_bytes)(char *bytes, size_t size, size_t count, void *context);
CURLcode taxi_curl_set_bytes(CURL *handle, CURLoption option, taxi_curl_bytes function);
CURLcode taxi_curl_set_progress(CURL *handle, curl_xferinfo_callback function);

// 0 before the response's first line.
long taxi_curl_status(CURL *handle);

// 0x075700 for 7.87.0: of the library that is here, not of the headers.
unsigned int taxi_curl_version(void);
