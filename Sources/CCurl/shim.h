#include <curl/curl.h>

// Variadic in C, so that Swift cannot call them: one function for each type that an option takes.

static inline CURLcode taxi_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode taxi_curl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

// Texts are copied, but for CURLOPT_POSTFIELDS; a list, a buffer or a context stays the caller's until the transfer is over.
static inline CURLcode taxi_curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode taxi_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

typedef size_t (*taxi_curl_bytes)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode taxi_curl_set_bytes(CURL *handle, CURLoption option, taxi_curl_bytes function) {
    return curl_easy_setopt(handle, option, function);
}

static inline CURLcode taxi_curl_set_progress(CURL *handle, curl_xferinfo_callback function) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, function);
}

// 0 before the response's first line.
static inline long taxi_curl_status(CURL *handle) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

// 0x075700 for 7.87.0: of the library that is here, not of the headers.
static inline unsigned int taxi_curl_version(void) { return curl_version_info(CURLVERSION_NOW)->version_num; }
