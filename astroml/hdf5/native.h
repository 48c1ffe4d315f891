/* Typed reading and writing of numbers. Whatever size a file claims, no more is
 * written to memory than the caller has said that there is. Functions that can
 * fail return 0 then, and put into why what the library says. */

#ifndef ASTROML_HDF5_H
#define ASTROML_HDF5_H

#include <hdf5.h>

#pragma GCC visibility push(hidden)

enum { H5_WHY = 160, H5_NOTHING = -1 };

/* What a dataset or an attribute holds. */
struct h5_array {
	int class; /* H5T_class_t */
	int kind;  /* 'f', 'i', 'u', or 0 for a type that is not read */
	int size;  /* bytes a number in the file */
	int rank;  /* number of axes, or H5_NOTHING where there is not even a scalar */
	hsize_t axes[H5S_MAX_RANK];
	int chunk_rank; /* 0 where a dataset does not lie in chunks */
	hsize_t chunk[H5S_MAX_RANK];
};

/* Why the last call of the library on this thread has failed. */
void h5_explain(char *why);

int h5_describe_set(hid_t set, struct h5_array *a, char *why);
int h5_describe_attr(hid_t attr, struct h5_array *a, char *why);

/* Rows lo to hi of a dataset, of a scalar its number, if they are n numbers. In
 * memory these are 'f' of 4 or 8 bytes, 'i' of 4 or 8, or 'u' of 8. */
int h5_read_set(hid_t set, int kind, int size, hsize_t lo, hsize_t hi, void *to, hsize_t n, char *why);
/* All numbers of an attribute, if they are n. */
int h5_read_attr(hid_t attr, int kind, int size, void *to, hsize_t n, char *why);
/* An attribute of one string, which the caller frees. */
char *h5_read_text(hid_t attr, char *why);

/* An attribute of the object at path, or a negative number. */
hid_t h5_open_attr(hid_t file, const char *path, const char *name, char *why);
/* Counts the attributes of the object at path. */
int h5_count_attrs(hid_t file, const char *path, hsize_t *n, char *why);
/* The name of attribute i, in the order of names, cut to size bytes. */
int h5_attr_name(hid_t file, const char *path, hsize_t i, char *name, size_t size, char *why);

/* A new dataset, and the groups on the way to it. Null leaves it unwritten. */
int h5_write_set(hid_t file, const char *path, int kind, int size, int rank, const hsize_t *axes, const void *from, char *why);
/* A new attribute of n numbers; one is written as a scalar. */
int h5_write_attr(hid_t file, const char *path, const char *name, int kind, int size, hsize_t n, const void *from, char *why);
int h5_write_text(hid_t file, const char *path, const char *name, const char *text, char *why);

#pragma GCC visibility pop

#endif
