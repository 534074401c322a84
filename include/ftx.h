/* libftx: the C ABI of ftx. Generated from the crate ftx-ffi; do not edit. */

#ifndef FTX_H
#define FTX_H

#include <stdint.h>

/**
 * Version of the ABI: raised when a program built against an older header no longer works.
 */
#define FTX_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library, as "1.2.3". The text is static: it is never freed.
 *
 * Thread-safe.
 */
const char *ftx_version(void);

/**
 * The version of the ABI that the library has; compare it with `FTX_ABI_VERSION`.
 *
 * Thread-safe.
 */
uint32_t ftx_abi_version(void);

/**
 * What a status code means, in English, in lower case, without a full stop. Never NULL; the text
 * is static and is never freed.
 *
 * `status` is a code that a function of this library returned: 0, or -1 to -10.
 *
 * Thread-safe.
 */
const char *ftx_strerror(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FTX_H */
