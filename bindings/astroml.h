/* astroml.h - goastroml from C: machine learning for astrophysics.
 *
 * Outputs come first. A function returns ASTROML_OK or a negative status; then
 * astroml_last_error says in words what came and what was wanted. Any output
 * that is not wanted may be NULL.
 *
 * Arrays are row-major and belong to the caller; none is used after the return
 * or, where a function makes a job, after the end of the job. Inverse variance
 * 0, and NaN in flux or ivar, is a masked pixel; ivar NULL means that the noise
 * is not known. wave holds the wavelengths of the pixel centres in Angstrom,
 * increasing. Class names, rules and options are JSON in UTF-8; NULL or ""
 * stands for the defaults. The names of options are those of Go's Config and of
 * Python's keywords.
 *
 * Handles are numbers, never 0. Any thread may use any handle, several at once;
 * a classifier or a network never changes. Symbols are added, not changed.
 *
 * After fork() a child must not call anything here: exec, or fork first.
 */
#ifndef ASTROML_H
#define ASTROML_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface: raised when symbols are added. */
#define ASTROML_ABI 1

enum {
    ASTROML_OK = 0,
    ASTROML_EINVAL = -1,    /* an argument or a value is no good */
    ASTROML_ESHAPE = -2,    /* arrays that do not fit each other or the model */
    ASTROML_EIO = -3,       /* the system could not open, read or write a file */
    ASTROML_EFORMAT = -4,   /* a file that is not what it should be */
    ASTROML_EVERSION = -5,  /* a file of a newer version */
    ASTROML_EDIVERGED = -6, /* a training run whose loss is no longer finite */
    ASTROML_ECANCELED = -7, /* the job was canceled */
    ASTROML_EINTERNAL = -8  /* a bug of goastroml */
};

/* Flags of a spectrum. */
enum {
    ASTROML_UNUSABLE = 1,      /* no data on the model's grid: NaN, class -1 */
    ASTROML_PARTLY_COVERED = 2 /* less than half of the model's pixels have data */
};

typedef uint64_t astroml_job;
typedef uint64_t astroml_spectra;            /* a set of spectra */
typedef uint64_t astroml_spectra_classifier;
typedef uint64_t astroml_spectra_library;    /* templates */
typedef uint64_t astroml_moment_network;

/* ---- the library ------------------------------------------------------- */

/* The interface that the library has, ASTROML_ABI of its header. */
int32_t astroml_abi(void);

/* The library's version, such as "0.1.0". */
const char *astroml_version(void);

/* What went wrong in the last call of this thread that failed; "" before the
 * first. It stays until the next call that fails. */
const char *astroml_last_error(void);

/* Frees what a handle stands for; 0 and what was freed before is fine. A job
 * that runs is canceled, and its end waited for. */
void astroml_free(uint64_t handle);

/* ---- jobs: long calls --------------------------------------------------- */

/* Waits until the job has ended, at most ms milliseconds, for ever if negative.
 * Sets ended to 1 or 0. The status is that of the job. */
int32_t astroml_job_wait(int32_t *ended, astroml_job job, int64_t ms);

/* How far the job is: steps done, steps at most, epochs done, training loss,
 * held-out loss (NaN before the first). */
int32_t astroml_job_progress(int64_t *step, int64_t *steps, int64_t *epoch, double *loss, double *valid,
                             astroml_job job);

/* Asks the job to end, and does not wait for it. */
int32_t astroml_job_cancel(astroml_job job);

/* ---- spectra: classification -------------------------------------------- */

/* Starts training on n spectra of so many pixels; labels are indices into the
 * JSON list of classes. Spectra with the same number in groups, such as those of
 * one object, are learnt from or held out together; groups may be NULL. When the job has ended, astroml_spectra_trained gives
 * the classifier. */
int32_t astroml_spectra_train(astroml_job *job, const float *flux, const float *ivar, int64_t n,
                              const double *wave, int64_t pixels, const int64_t *labels,
                              const int64_t *groups, const char *classes, const char *options);

/* Goes on training a copy of the classifier on other spectra of its classes. */
int32_t astroml_spectra_fine_tune(astroml_job *job, astroml_spectra_classifier c, const float *flux,
                                  const float *ivar, int64_t n, const double *wave, int64_t pixels,
                                  const int64_t *labels, const int64_t *groups, const char *classes,
                                  const char *options);

int32_t astroml_spectra_trained(astroml_spectra_classifier *c, astroml_job job);

int32_t astroml_spectra_load(astroml_spectra_classifier *c, const char *path);
int32_t astroml_spectra_save(astroml_spectra_classifier c, const char *path);

/* Writes a JSON object that describes the classifier ("classes", "pixels",
 * "features", "parameters", "config", "history", ...) and its end to text, if
 * room, the size of text, allows, and the bytes that takes to size. */
int32_t astroml_spectra_info(char *text, int64_t *size, int64_t room, astroml_spectra_classifier c);

/* The numbers of classes, of pixels of the model's grid, of values a spectrum
 * from astroml_spectra_embed. */
int32_t astroml_spectra_sizes(int64_t *classes, int64_t *pixels, int64_t *features,
                              astroml_spectra_classifier c);

/* The model's wavelength grid. */
int32_t astroml_spectra_wave(double *wave, int64_t pixels, astroml_spectra_classifier c);

/* Classifies n spectra, one or many. For each spectrum: the probability of each
 * class (calibrated), the most probable class, its total, aleatoric and
 * epistemic uncertainty in nats, the fraction of known spectra that look less
 * unusual (ood), flags, and for each rule whether it triggers, 1 or 0. rules is
 * a JSON list such as
 *     [{"name": "quasar", "classes": ["QSO"], "min_prob": 0.9, "max_ood": 0.99}]
 */
int32_t astroml_spectra_classify(float *prob, int64_t *best, float *total, float *aleatoric,
                                 float *epistemic, float *ood, uint32_t *flag, uint8_t *triggers,
                                 astroml_spectra_classifier c, const float *flux, const float *ivar,
                                 int64_t n, const double *wave, int64_t pixels, const char *rules);

/* The same as a job. */
int32_t astroml_spectra_classify_job(astroml_job *job, float *prob, int64_t *best, float *total,
                                     float *aleatoric, float *epistemic, float *ood, uint32_t *flag,
                                     uint8_t *triggers, astroml_spectra_classifier c, const float *flux,
                                     const float *ivar, int64_t n, const double *wave, int64_t pixels,
                                     const char *rules);

/* Starts to write the representation of n spectra, n x features values. */
int32_t astroml_spectra_embed(astroml_job *job, float *features, astroml_spectra_classifier c,
                              const float *flux, const float *ivar, int64_t n, const double *wave,
                              int64_t pixels);

/* Conformal sets for n x class probabilities: 1 for the classes that hold the
 * true one in a fraction coverage of all spectra; of each class's spectra, if
 * per_class is not 0. */
int32_t astroml_spectra_sets(uint8_t *sets, astroml_spectra_classifier c, const float *prob, int64_t n,
                             double coverage, int32_t per_class);

/* ---- spectra: sets ------------------------------------------------------ */

/* Reads a FITS file of SDSS, DESI, LAMOST or 4MOST. */
int32_t astroml_spectra_read(astroml_spectra *set, const char *path);

/* Starts to simulate labelled spectra, or spectra that belong to no class:
 * kind is "blank", "sky", "blend" or "unknown". */
int32_t astroml_spectra_simulate(astroml_job *job, const char *options);
int32_t astroml_spectra_outliers(astroml_job *job, const char *kind, const char *options);

/* Makes labelled spectra from a library of noiseless templates. A library gets
 * templates of one class at a time, rows x pixels flux densities in the rest
 * frame: templates themselves, or a basis with sets x rows coefficients, or with
 * the mean and the scatter of rows coefficients (else NULL). The options say
 * "class", "z_min", "z_max", "resolution", "weight". A library is to be filled by
 * one thread at a time. With ivar, spectra get the noise and the masks of n
 * observed ones. */
int32_t astroml_spectra_library_new(astroml_spectra_library *library);
int32_t astroml_spectra_library_add(astroml_spectra_library library, const float *flux, int64_t rows,
                                    const double *wave, int64_t pixels, const float *coeff, int64_t sets,
                                    const double *mean, const double *scatter, const char *options);
int32_t astroml_spectra_synthesize(astroml_job *job, astroml_spectra_library library, const float *ivar,
                                   int64_t n, const double *wave, int64_t pixels, const char *options);

/* The set that a job has simulated or synthesised. */
int32_t astroml_spectra_made(astroml_spectra *set, astroml_job job);

/* The numbers of spectra, pixels, and classes (0 if there are no labels), and
 * whether there are inverse variances. */
int32_t astroml_spectra_set_sizes(int64_t *n, int64_t *pixels, int64_t *classes, int32_t *has_ivar,
                                  astroml_spectra set);

/* Copies the spectra to the caller's arrays. */
int32_t astroml_spectra_set_copy(float *flux, float *ivar, double *wave, int64_t *labels, int64_t n,
                                 int64_t pixels, astroml_spectra set);

/* What is known of each spectrum, a JSON list: see astroml_spectra_info. */
int32_t astroml_spectra_set_rows(char *text, int64_t *size, int64_t room, astroml_spectra set);

/* Moves n spectra to another wavelength grid; conserves flux. */
int32_t astroml_spectra_rebin(float *out_flux, float *out_ivar, const double *out_wave, int64_t out_pixels,
                              const float *flux, const float *ivar, int64_t n, const double *wave,
                              int64_t pixels);

/* ---- moments of posteriors ---------------------------------------------- */

/* Starts training a network that estimates the posterior moments of parameters.
 * x holds float32 of a shape of so many axes: (n, feature) of tables, (n, channel,
 * bin) of profiles, (n, field, y, x) of maps, (n, field, x, y, z) of cubes; theta
 * n x parameters values. names is a JSON list of the parameters' names. Rows with
 * the same number in groups, such as those of one simulation, are learnt from or
 * held out together; folds says in which part each row is held out, from 0;
 * weights how much each counts. These four may be NULL. When the job has ended,
 * astroml_moment_trained gives the network. */
int32_t astroml_moment_train(astroml_job *job, const float *x, const int64_t *shape, int64_t axes,
                             const float *theta, int64_t parameters, const char *names,
                             const int64_t *groups, const int64_t *folds, const double *weights,
                             const char *options);

int32_t astroml_moment_trained(astroml_moment_network *network, astroml_job job);

int32_t astroml_moment_load(astroml_moment_network *network, const char *path);
int32_t astroml_moment_save(astroml_moment_network network, const char *path);

/* A JSON object that describes the network ("names", "shape" of a row,
 * "parameters" and "multiply_adds" of one fold, "config", "history" of each fold):
 * see astroml_spectra_info. */
int32_t astroml_moment_info(char *text, int64_t *size, int64_t room, astroml_moment_network network);

/* The numbers of parameters and of values of a row of x, the highest moment that
 * the network estimates (2, 3 or 4), and whether it estimates covariances. */
int32_t astroml_moment_sizes(int64_t *parameters, int64_t *values, int64_t *moments, int32_t *has_covariance,
                             astroml_moment_network network);

/* Posterior means and standard deviations, n x parameters each, of rows x; NaN
 * for rows with NaN. */
int32_t astroml_moment_predict(float *mean, float *std, astroml_moment_network network, const float *x,
                               const int64_t *shape, int64_t axes);

/* Starts the same, and to write covariances, n x parameters x parameters, and
 * skewness and kurtosis (3 for a normal distribution), n x parameters. What is
 * wanted but was not learnt is an error: see astroml_moment_sizes. */
int32_t astroml_moment_moments(astroml_job *job, float *mean, float *std, float *covariance,
                               float *skewness, float *kurtosis, astroml_moment_network network,
                               const float *x, const int64_t *shape, int64_t axes);

/* Starts to write the derivative of the mean of one parameter, counted from 0, by
 * each value of x: an array of the shape of x. */
int32_t astroml_moment_gradient(astroml_job *job, float *gradient, astroml_moment_network network,
                                const float *x, const int64_t *shape, int64_t axes, int64_t parameter);

/* ---- statistics --------------------------------------------------------- */

/* The expected calibration error of n x classes probabilities, in bins of equal
 * counts. */
int32_t astroml_stats_ece(double *ece, const float *prob, const int64_t *labels, int64_t n, int64_t classes,
                          int64_t bins);

#ifdef __cplusplus
}
#endif

#endif
