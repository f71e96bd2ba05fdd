/*
** replay FILE-OR-DIRECTORY…: runs a fuzz target on each file, as libFuzzer does, with any compiler.
**
** It prints the name of each input before it runs it. After a crash the last line names the input.
**
** SPDX-License-Identifier: MIT
*/
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static long count;

static void run_file(const char *name) {
  FILE *f = fopen(name, "rb");
  unsigned char *data = NULL;
  size_t size = 0, cap = 0, n = 1;
  printf("%s\n", name);
  fflush(stdout);
  while (f != NULL && n > 0) {
    if (size == cap) data = (unsigned char *)realloc(data, cap = cap > 0 ? cap * 2 : 4096);
    if (data == NULL) break;
    size += n = fread(data + size, 1, cap - size, f);
  }
  WANT(f != NULL && data != NULL && !ferror(f));
  fclose(f);
  /* a block of this size lets AddressSanitizer report a read of one byte too many */
  data = (unsigned char *)realloc(data, size > 0 ? size : 1);
  LLVMFuzzerTestOneInput(data, size);
  free(data);
  count++;
}

static void run(const char *name) {
  DIR *dir = opendir(name);
  const struct dirent *entry;
  if (dir == NULL) {
    run_file(name);
    return;
  }
  while ((entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe): one thread */
    char path[4096];
    if (entry->d_name[0] == '.') continue;
    WANT((size_t)snprintf(path, sizeof path, "%s/%s", name, entry->d_name) < sizeof path);
    run(path);
  }
  closedir(dir);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) run(argv[i]);
  printf("%ld inputs\n", count);
  return count == 0;
}
