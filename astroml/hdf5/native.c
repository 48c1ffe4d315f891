//go:build cgo

#include "native.h"

#include <stdlib.h>
#include <string.h>

/* Keeps the innermost entry of the stack of errors, which says most. */
static herr_t keep(unsigned n, const H5E_error2_t *e, void *why) {
	if (n == 0 && e->desc != NULL) {
		strncpy(why, e->desc, H5_WHY - 1);
	}
	return 0;
}

void h5_explain(char *why) {
	H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep, why);
}

/* Finds the kind and size of the standard types. An enumeration counts as its
 * integers: h5py writes booleans so. */
static int number(hid_t type, int *size) {
	const struct {
		int kind;
		hid_t type;
	} known[] = {
		{'f', H5T_IEEE_F32LE}, {'f', H5T_IEEE_F64LE}, {'f', H5T_IEEE_F32BE}, {'f', H5T_IEEE_F64BE},
		{'i', H5T_STD_I8LE}, {'i', H5T_STD_I16LE}, {'i', H5T_STD_I32LE}, {'i', H5T_STD_I64LE},
		{'i', H5T_STD_I8BE}, {'i', H5T_STD_I16BE}, {'i', H5T_STD_I32BE}, {'i', H5T_STD_I64BE},
		{'u', H5T_STD_U8LE}, {'u', H5T_STD_U16LE}, {'u', H5T_STD_U32LE}, {'u', H5T_STD_U64LE},
		{'u', H5T_STD_U8BE}, {'u', H5T_STD_U16BE}, {'u', H5T_STD_U32BE}, {'u', H5T_STD_U64BE},
	};
	hid_t base = -1;
	if (H5Tget_class(type) == H5T_ENUM) {
		type = base = H5Tget_super(type);
	}
	int kind = 0;
	for (size_t i = 0; type >= 0 && kind == 0 && i < sizeof known / sizeof *known; i++) {
		if (H5Tequal(type, known[i].type) > 0) {
			kind = known[i].kind;
		}
	}
	*size = kind != 0 ? (int)H5Tget_size(type) : 0;
	if (base >= 0) {
		H5Tclose(base);
	}
	return kind;
}

/* The type of numbers in memory. */
static hid_t native(int kind, int size) {
	switch (kind) {
	case 'f':
		return size == 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
	case 'i':
		return size == 4 ? H5T_NATIVE_INT32 : H5T_NATIVE_INT64;
	}
	return H5T_NATIVE_UINT64;
}

/* Puts the lengths of the axes of a space into axes and returns their number. */
static int extent(hid_t space, hsize_t axes[H5S_MAX_RANK]) {
	int rank = H5Sget_simple_extent_ndims(space);
	if (rank > H5S_MAX_RANK || (rank > 0 && H5Sget_simple_extent_dims(space, axes, NULL) != rank)) {
		return -1;
	}
	return rank;
}

/* Describes, and closes what it is given. */
static int describe(hid_t type, hid_t space, struct h5_array *a, char *why) {
	a->class = H5Tget_class(type);
	a->kind = number(type, &a->size);
	a->rank = extent(space, a->axes);
	a->chunk_rank = 0;
	int ok = a->class >= 0 && a->rank >= 0;
	if (!ok) {
		h5_explain(why);
	} else if (H5Sget_simple_extent_type(space) == H5S_NULL) {
		a->rank = H5_NOTHING;
	}
	if (type >= 0) {
		H5Tclose(type);
	}
	if (space >= 0) {
		H5Sclose(space);
	}
	return ok;
}

int h5_describe_set(hid_t set, struct h5_array *a, char *why) {
	if (!describe(H5Dget_type(set), H5Dget_space(set), a, why)) {
		return 0;
	}
	hid_t plan = H5Dget_create_plist(set);
	H5D_layout_t layout = H5Pget_layout(plan);
	int ok = layout >= 0;
	if (layout == H5D_CHUNKED) {
		a->chunk_rank = H5Pget_chunk(plan, H5S_MAX_RANK, a->chunk);
		ok = a->chunk_rank > 0 && a->chunk_rank <= H5S_MAX_RANK;
	}
	if (!ok) {
		h5_explain(why);
	}
	if (plan >= 0) {
		H5Pclose(plan);
	}
	return ok;
}

int h5_describe_attr(hid_t attr, struct h5_array *a, char *why) {
	return describe(H5Aget_type(attr), H5Aget_space(attr), a, why);
}

int h5_read_set(hid_t set, int kind, int size, hsize_t lo, hsize_t hi, void *to, hsize_t n, char *why) {
	hsize_t start[H5S_MAX_RANK] = {lo}, count[H5S_MAX_RANK];
	hid_t in = H5Dget_space(set), out = -1;
	int rank = extent(in, count), ok = rank >= 0;
	if (rank > 0) {
		count[0] = hi - lo;
		ok = H5Sselect_hyperslab(in, H5S_SELECT_SET, start, NULL, count, NULL) >= 0;
	}
	/* A selection outside the extent is an error of H5Dread. */
	ok = ok && H5Sget_select_npoints(in) == (hssize_t)n && (out = H5Screate_simple(1, &n, NULL)) >= 0 &&
		H5Dread(set, native(kind, size), out, in, H5P_DEFAULT, to) >= 0;
	if (!ok) {
		h5_explain(why);
	}
	if (in >= 0) {
		H5Sclose(in);
	}
	if (out >= 0) {
		H5Sclose(out);
	}
	return ok;
}

int h5_read_attr(hid_t attr, int kind, int size, void *to, hsize_t n, char *why) {
	hid_t space = H5Aget_space(attr);
	int ok = H5Sget_simple_extent_npoints(space) == (hssize_t)n && H5Aread(attr, native(kind, size), to) >= 0;
	if (!ok) {
		h5_explain(why);
	}
	if (space >= 0) {
		H5Sclose(space);
	}
	return ok;
}

/* A string of fixed length, without blanks that fill it. */
static char *fixed_text(hid_t attr, hid_t type, char *why) {
	size_t size = H5Tget_size(type);
	char *text = size < 1 << 20 ? calloc(1, size + 1) : NULL;
	if (text == NULL || H5Aread(attr, type, text) < 0) {
		h5_explain(why);
		free(text);
		return NULL;
	}
	if (H5Tget_strpad(type) == H5T_STR_SPACEPAD) {
		for (size_t i = strlen(text); i > 0 && text[i - 1] == ' '; i--) {
			text[i - 1] = 0;
		}
	}
	return text;
}

static char *variable_text(hid_t attr, hid_t type, hid_t space, char *why) {
	char *s = NULL;
	hid_t base = H5Tget_super(type);
	int one = H5Tget_size(base) == 1; /* else the library takes as much memory as a damaged file says */
	if (base >= 0) {
		H5Tclose(base);
	}
	if (!one || H5Aread(attr, type, &s) < 0) {
		h5_explain(why);
		return NULL;
	}
	char *text = strdup(s != NULL ? s : "");
	H5Dvlen_reclaim(type, space, H5P_DEFAULT, &s);
	return text;
}

char *h5_read_text(hid_t attr, char *why) {
	hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
	char *text = NULL;
	if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1) {
		strncpy(why, "it is no single string", H5_WHY - 1);
	} else if (H5Tis_variable_str(type) > 0) {
		text = variable_text(attr, type, space, why);
	} else {
		text = fixed_text(attr, type, why);
	}
	if (type >= 0) {
		H5Tclose(type);
	}
	if (space >= 0) {
		H5Sclose(space);
	}
	return text;
}

hid_t h5_open_attr(hid_t file, const char *path, const char *name, char *why) {
	hid_t attr = H5Aopen_by_name(file, path, name, H5P_DEFAULT, H5P_DEFAULT);
	if (attr < 0) {
		h5_explain(why);
	}
	return attr;
}

int h5_count_attrs(hid_t file, const char *path, hsize_t *n, char *why) {
	hid_t id = H5Oopen(file, path, H5P_DEFAULT);
	if (id < 0) {
		h5_explain(why);
		return 0;
	}
	/* H5Aget_name_by_idx of 1.10.8 crashes if an attribute is damaged. To look
	 * for a name decodes all of them, and is an error then. */
	int count = H5Aexists(id, "\x01") < 0 ? -1 : H5Aget_num_attrs(id);
	if (count < 0) {
		h5_explain(why);
	}
	H5Oclose(id);
	*n = count < 0 ? 0 : (hsize_t)count;
	return count >= 0;
}

int h5_attr_name(hid_t file, const char *path, hsize_t i, char *name, size_t size, char *why) {
	int ok = H5Aget_name_by_idx(file, path, H5_INDEX_NAME, H5_ITER_INC, i, name, size, H5P_DEFAULT) >= 0;
	if (!ok) {
		h5_explain(why);
	}
	return ok;
}

int h5_write_set(hid_t file, const char *path, int kind, int size, int rank, const hsize_t *axes, const void *from, char *why) {
	hid_t space = rank > 0 ? H5Screate_simple(rank, axes, NULL) : H5Screate(H5S_SCALAR);
	hid_t link = H5Pcreate(H5P_LINK_CREATE), set = -1;
	int ok = H5Pset_create_intermediate_group(link, 1) >= 0 &&
		(set = H5Dcreate2(file, path, native(kind, size), space, link, H5P_DEFAULT, H5P_DEFAULT)) >= 0 &&
		(from == NULL || H5Dwrite(set, native(kind, size), H5S_ALL, H5S_ALL, H5P_DEFAULT, from) >= 0);
	if (!ok) {
		h5_explain(why);
	}
	if (set >= 0) {
		H5Dclose(set);
	}
	if (link >= 0) {
		H5Pclose(link);
	}
	if (space >= 0) {
		H5Sclose(space);
	}
	return ok;
}

/* Writes an attribute, and closes type and space. */
static int write_attr(hid_t file, const char *path, const char *name, hid_t type, hid_t space, const void *from, char *why) {
	hid_t attr = H5Acreate_by_name(file, path, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	int ok = attr >= 0 && H5Awrite(attr, type, from) >= 0;
	if (!ok) {
		h5_explain(why);
	}
	if (attr >= 0) {
		H5Aclose(attr);
	}
	if (type >= 0) {
		H5Tclose(type);
	}
	if (space >= 0) {
		H5Sclose(space);
	}
	return ok;
}

int h5_write_attr(hid_t file, const char *path, const char *name, int kind, int size, hsize_t n, const void *from, char *why) {
	hid_t space = n == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &n, NULL);
	return write_attr(file, path, name, H5Tcopy(native(kind, size)), space, from, why);
}

int h5_write_text(hid_t file, const char *path, const char *name, const char *text, char *why) {
	hid_t type = H5Tcopy(H5T_C_S1);
	H5Tset_size(type, H5T_VARIABLE);
	H5Tset_cset(type, H5T_CSET_UTF8);
	return write_attr(file, path, name, type, H5Screate(H5S_SCALAR), &text, why);
}
