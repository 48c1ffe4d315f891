/* The C ABI, as a C program uses it.
 *
 *     test [GOLDEN]      GOLDEN is testdata/golden/spectra; moment lies beside it
 */
#include "astroml.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void check(int good, const char *what, int line) {
    if (!good) {
        printf("test.c:%d: %s (last error: %s)\n", line, what, astroml_last_error());
        failures++;
    }
}

#define CHECK(that) check(that, #that, __LINE__)
#define OK(call) CHECK((call) == ASTROML_OK)
#define FAILS(status, text, call) (CHECK((call) == (status)), CHECK(strstr(astroml_last_error(), text) != NULL))

static void *other_thread(void *error) {
    CHECK(strcmp(astroml_last_error(), "") == 0);
    FAILS(ASTROML_EINVAL, "7000 is no handle", astroml_job_cancel(7000));
    strcpy(error, astroml_last_error());
    return NULL;
}

static void test_errors(void) {
    char theirs[200] = "";
    pthread_t t;

    CHECK(astroml_abi() == ASTROML_ABI);
    CHECK(strlen(astroml_version()) > 0);
    CHECK(strcmp(astroml_last_error(), "") == 0);
    astroml_free(0);
    astroml_free(12345);
    FAILS(ASTROML_EINVAL, "9000 is no handle", astroml_job_cancel(9000));
    CHECK(pthread_create(&t, NULL, other_thread, theirs) == 0 && pthread_join(t, NULL) == 0);
    CHECK(strstr(theirs, "7000") != NULL);
    CHECK(strstr(astroml_last_error(), "9000") != NULL); /* each thread has its own */
}

static void test_rebin(void) {
    const double wave[] = {5000, 5001, 5002, 5003}, onto[] = {5000.5, 5002.5};
    const float flux[] = {1, 3, 5, 7}, ivar[] = {4, 4, 4, 0}, bad[] = {4, 4, -4, 0};
    float f[2], v[2];

    OK(astroml_spectra_rebin(f, v, onto, 2, flux, ivar, 1, wave, 4));
    CHECK(f[0] == 2 && f[1] == 5 && v[0] == 8 && v[1] == 4);
    OK(astroml_spectra_rebin(f, NULL, onto, 2, flux, NULL, 1, wave, 4));
    FAILS(ASTROML_EINVAL, "-4 in spectrum 0, pixel 2", astroml_spectra_rebin(f, v, onto, 2, flux, bad, 1, wave, 4));
    FAILS(ASTROML_EINVAL, "flux: no array", astroml_spectra_rebin(f, v, onto, 2, NULL, ivar, 1, wave, 4));
    FAILS(ASTROML_ESHAPE, "negative", astroml_spectra_rebin(f, v, onto, 2, flux, ivar, -1, wave, 4));
    FAILS(ASTROML_ESHAPE, "memory", astroml_spectra_rebin(f, v, onto, 2, flux, ivar, INT64_MAX / 2, wave, 4));
}

static void test_statistics(void) {
    /* Ten objects at confidence 0.8, of which six are right: an error of 0.2. */
    float prob[20];
    int64_t label[10];
    double ece = -1;
    for (int i = 0; i < 10; i++) {
        prob[2 * i] = 0.8f;
        prob[2 * i + 1] = 0.2f;
        label[i] = i >= 6;
    }
    OK(astroml_stats_ece(&ece, prob, label, 10, 2, 1));
    CHECK(fabs(ece - 0.2) < 1e-6);
}

/* A set of simulated spectra with the caller's memory. */
struct set {
    int64_t n, pixels, classes;
    float *flux, *ivar;
    double *wave;
    int64_t *labels;
};

static void finish(astroml_job job) {
    int32_t ended = 0;
    while (!ended) CHECK(astroml_job_wait(&ended, job, 50) == ASTROML_OK);
}

static struct set simulate(const char *options) {
    astroml_job job = 0;
    astroml_spectra made = 0;
    struct set s = {0};
    int32_t has_ivar = 0;
    int64_t size = 0;

    OK(astroml_spectra_simulate(&job, options));
    finish(job);
    OK(astroml_spectra_made(&made, job));
    astroml_free(job);
    OK(astroml_spectra_set_sizes(&s.n, &s.pixels, &s.classes, &has_ivar, made));
    CHECK(s.n == 39 && s.pixels == 4000 && s.classes == 13 && has_ivar == 1);
    s.flux = malloc(sizeof(float) * (size_t)(s.n * s.pixels));
    s.ivar = malloc(sizeof(float) * (size_t)(s.n * s.pixels));
    s.wave = malloc(sizeof(double) * (size_t)s.pixels);
    s.labels = malloc(sizeof(int64_t) * (size_t)s.n);
    OK(astroml_spectra_set_copy(s.flux, s.ivar, s.wave, s.labels, s.n, s.pixels, made));
    CHECK(s.wave[0] > 3600 && s.labels[1] == 1);
    FAILS(ASTROML_ESHAPE, "room for 3", astroml_spectra_set_copy(s.flux, NULL, NULL, NULL, 3, s.pixels, made));

    OK(astroml_spectra_set_rows(NULL, &size, 0, made));
    char *rows = malloc((size_t)size);
    FAILS(ASTROML_ESHAPE, "the text takes", astroml_spectra_set_rows(rows, NULL, 3, made));
    OK(astroml_spectra_set_rows(rows, NULL, size, made));
    CHECK(strstr(rows, "\"STAR_A0\"") != NULL && strlen(rows) == (size_t)size - 1);
    free(rows);
    astroml_free(made);
    FAILS(ASTROML_EINVAL, "no handle", astroml_spectra_set_sizes(&s.n, NULL, NULL, NULL, made));
    return s;
}

static void test_training(struct set s) {
    const char *classes = "[\"A0\",\"F5\",\"F9\",\"G2\",\"K1\",\"K3\",\"K5\",\"G\",\"SF\",\"SB\",\"AGN\",\"Q\",\"QB\"]";
    const char *rules = "[{\"name\": \"any\"}, {\"name\": \"none\", \"min_prob\": 1.5}]";
    astroml_job job = 0;
    astroml_spectra_classifier c = 0, again = 0;
    int32_t ended = 0;
    int64_t step, steps, epoch, k, pixels, features, best = -2;
    double loss, valid;
    float prob[13], same[13], sum = 0, total, aleatoric, epistemic, ood;
    uint32_t flag;
    uint8_t triggers[2], set[13];

    FAILS(ASTROML_EINVAL, "unknown field", astroml_spectra_train(&job, s.flux, s.ivar, s.n, s.wave, s.pixels, s.labels, NULL, classes, "{\"epoch\": 1}"));
    OK(astroml_spectra_train(&job, s.flux, s.ivar, s.n, s.wave, s.pixels, s.labels, NULL, classes, "{\"epochs\": 1, \"batch_size\": 13, \"seed\": 1}"));
    while (!ended) {
        OK(astroml_job_wait(&ended, job, 20));
        OK(astroml_job_progress(&step, &steps, &epoch, &loss, &valid, job));
    }
    OK(astroml_spectra_trained(&c, job));
    astroml_free(job);
    OK(astroml_spectra_sizes(&k, &pixels, &features, c));
    CHECK(k == 13 && pixels == s.pixels && features > 0);

    OK(astroml_spectra_classify(prob, &best, &total, &aleatoric, &epistemic, &ood, &flag, triggers, c, s.flux, s.ivar, 1, s.wave, s.pixels, rules));
    for (int i = 0; i < 13; i++) sum += prob[i];
    CHECK(fabsf(sum - 1) < 1e-5f && best >= 0 && best < 13 && flag == 0 && triggers[0] == 1 && triggers[1] == 0);
    CHECK(fabsf(total - aleatoric - epistemic) < 1e-4f && ood >= 0 && ood <= 1);
    OK(astroml_spectra_sets(set, c, prob, 1, 0.9, 0));
    FAILS(ASTROML_EINVAL, "overage", astroml_spectra_sets(set, c, prob, 1, 2, 0));

    float *representation = malloc(sizeof(float) * (size_t)features);
    OK(astroml_spectra_embed(&job, representation, c, s.flux, s.ivar, 1, s.wave, s.pixels));
    finish(job);
    astroml_free(job);
    free(representation);

    OK(astroml_spectra_save(c, "build/ctest.safetensors"));
    OK(astroml_spectra_load(&again, "build/ctest.safetensors"));
    OK(astroml_spectra_classify(same, NULL, NULL, NULL, NULL, NULL, NULL, NULL, again, s.flux, s.ivar, 1, s.wave, s.pixels, NULL));
    CHECK(memcmp(prob, same, sizeof prob) == 0);
    FAILS(ASTROML_EIO, "no such", astroml_spectra_load(&again, "build/no such file"));
    FAILS(ASTROML_EFORMAT, "", astroml_spectra_load(&again, "go.mod"));
    FAILS(ASTROML_EINVAL, "increasing", astroml_spectra_classify(prob, NULL, NULL, NULL, NULL, NULL, NULL, NULL, c, s.flux, s.ivar, 1, (double[]){4000, 3000}, 2, NULL));
    FAILS(ASTROML_EINVAL, "no handle of a classifier", astroml_spectra_save(0, "build/x"));

    /* Canceled, and freed while it runs. */
    OK(astroml_spectra_train(&job, s.flux, s.ivar, s.n, s.wave, s.pixels, s.labels, s.labels, classes, "{\"epochs\": 100000, \"patience\": -1}"));
    OK(astroml_job_wait(&ended, job, 20));
    CHECK(!ended);
    FAILS(ASTROML_EINVAL, "not ended", astroml_spectra_trained(&again, job));
    OK(astroml_job_cancel(job));
    CHECK(astroml_job_wait(&ended, job, -1) == ASTROML_ECANCELED && ended);
    astroml_free(job);
    OK(astroml_spectra_fine_tune(&job, c, s.flux, s.ivar, s.n, s.wave, s.pixels, s.labels, NULL, classes, "{\"epochs\": 100000, \"patience\": -1}"));
    astroml_free(job);
    astroml_free(c);
    astroml_free(again);
}

static void test_synthesis(void) {
    double wave[1000], scatter[] = {1, 2};
    float flux[2000], one[] = {1, 1};
    astroml_spectra_library l = 0;
    astroml_spectra made = 0;
    astroml_job job = 0;
    int64_t n, classes;

    for (int i = 0; i < 1000; i++) {
        wave[i] = 3500 + 7 * i;
        flux[i] = 1;
        flux[1000 + i] = (float)i / 1000;
    }
    OK(astroml_spectra_library_new(&l));
    FAILS(ASTROML_EINVAL, "unknown field", astroml_spectra_library_add(l, flux, 2, wave, 1000, NULL, 0, NULL, NULL, "{\"klass\": 1}"));
    OK(astroml_spectra_library_add(l, flux, 2, wave, 1000, NULL, 0, NULL, NULL, "{\"class\": \"a\"}"));
    OK(astroml_spectra_library_add(l, flux, 2, wave, 1000, one, 1, NULL, NULL, "{\"class\": \"b\"}"));
    FAILS(ASTROML_EINVAL, "no handle of a library", astroml_spectra_synthesize(&job, 0, NULL, 0, NULL, 0, NULL));
    OK(astroml_spectra_synthesize(&job, l, NULL, 0, NULL, 0, "{\"per_class\": 2}"));
    finish(job);
    OK(astroml_spectra_made(&made, job));
    OK(astroml_spectra_set_sizes(&n, NULL, &classes, NULL, made));
    CHECK(n == 4 && classes == 2);
    astroml_free(job);
    astroml_free(made);
    OK(astroml_spectra_library_add(l, flux, 2, wave, 1000, NULL, 0, NULL, scatter, "{\"class\": \"c\"}"));
    OK(astroml_spectra_synthesize(&job, l, NULL, 0, NULL, 0, NULL));
    CHECK(astroml_job_wait(NULL, job, -1) == ASTROML_ESHAPE); /* a scatter without a mean */
    astroml_free(job);
    astroml_free(l);
}

static void *numbers(const char *folder, const char *name, size_t size, int64_t *count) {
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        printf("%s: cannot be opened\n", path);
        exit(1);
    }
    void *x = malloc(1 << 20);
    *count = (int64_t)fread(x, size, (1 << 20) / size, f);
    fclose(f);
    return x;
}

static int near(float a, float b, double tolerance) {
    return isnan(a) ? isnan(b) : fabs((double)a - (double)b) <= tolerance;
}

/* The same numbers as in Go and Python; the tolerances are those of golden_test.go. */
static void test_golden(const char *folder) {
    astroml_spectra_classifier c = 0;
    int64_t pixels, values, n, k, count;
    char path[1000];
    double *wave = numbers(folder, "wave.f64", 8, &pixels);
    float *flux = numbers(folder, "flux.f32", 4, &values), *ivar = numbers(folder, "ivar.f32", 4, &values);
    float *prob = numbers(folder, "prob.f32", 4, &count), *total = numbers(folder, "total.f32", 4, &n);
    float *epistemic = numbers(folder, "epistemic.f32", 4, &n), *ood = numbers(folder, "ood.f32", 4, &n);
    int64_t *best = numbers(folder, "best.i64", 8, &n);
    uint32_t *flag = numbers(folder, "flag.u32", 4, &n);

    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    OK(astroml_spectra_load(&c, path));
    OK(astroml_spectra_sizes(&k, NULL, NULL, c));
    CHECK(values == n * pixels && count == n * k && n > 0);
    for (int64_t i = 0; i < n; i++) { /* one at a time, as a pipeline would */
        float p[64], t, e, o;
        int64_t b;
        uint32_t f;
        OK(astroml_spectra_classify(p, &b, &t, NULL, &e, &o, &f, NULL, c, flux + i * pixels, ivar + i * pixels, 1, wave, pixels, NULL));
        for (int64_t j = 0; j < k; j++) CHECK(near(p[j], prob[i * k + j], 1e-5));
        CHECK(near(t, total[i], 1e-5) && near(e, epistemic[i], 1e-5) && near(o, ood[i], 0.02));
        CHECK(b == best[i] && f == flag[i]);
    }
    astroml_free(c);
    free(wave), free(flux), free(ivar), free(prob), free(total), free(epistemic), free(ood), free(best), free(flag);
}

static int alike(float a, float b) { return near(a, b, 1e-4 * fmax(1, fabs((double)b))); }

/* A network learns that the parameter is the sum of two features. */
static void test_moments(void) {
    enum { N = 40 };
    float x[2 * N], theta[N], mean[N], std[N], covariance[N], gradient[2 * N];
    int64_t shape[] = {N, 2}, groups[N], folds[N], p, values, moments, size;
    int32_t has_covariance;
    astroml_moment_network net = 0, again = 0;
    astroml_job job = 0;

    for (int i = 0; i < N; i++) {
        x[2 * i] = (float)(i % 8);
        x[2 * i + 1] = (float)(i / 8) + 0.1f * (float)(i % 3);
        theta[i] = x[2 * i] + x[2 * i + 1];
        groups[i] = i / 2;
        folds[i] = i / 2 % 2;
    }
    FAILS(ASTROML_EINVAL, "unknown field", astroml_moment_train(&job, x, shape, 2, theta, 1, NULL, NULL, NULL, NULL, "{\"epoch\": 1}"));
    FAILS(ASTROML_ESHAPE, "shape", astroml_moment_train(&job, x, NULL, 2, theta, 1, NULL, NULL, NULL, NULL, NULL));
    FAILS(ASTROML_ESHAPE, "shape", astroml_moment_train(&job, x, shape, 1, theta, 1, NULL, NULL, NULL, NULL, NULL));
    FAILS(ASTROML_EINVAL, "theta: no array", astroml_moment_train(&job, x, shape, 2, NULL, 1, NULL, NULL, NULL, NULL, NULL));
    OK(astroml_moment_train(&job, x, shape, 2, theta, 1, "[\"sum\"]", groups, folds, NULL,
                            "{\"folds\": 2, \"epochs\": 100, \"batch_size\": 5, \"hidden\": 8, \"dropout\": -1, \"covariance\": true}"));
    finish(job);
    OK(astroml_moment_trained(&net, job));
    astroml_free(job);
    OK(astroml_moment_sizes(&p, &values, &moments, &has_covariance, net));
    CHECK(p == 1 && values == 2 && moments == 2 && has_covariance == 1);
    OK(astroml_moment_info(NULL, &size, 0, net));
    char *info = malloc((size_t)size);
    OK(astroml_moment_info(info, NULL, size, net));
    CHECK(strstr(info, "\"names\":[\"sum\"]") != NULL);
    free(info);

    OK(astroml_moment_predict(mean, std, net, x, shape, 2));
    for (int i = 0; i < N; i++) CHECK(fabsf(mean[i] - theta[i]) < 1.5f && std[i] > 0 && std[i] < 1.5f);
    OK(astroml_moment_moments(&job, NULL, NULL, covariance, NULL, NULL, net, x, shape, 2));
    finish(job);
    astroml_free(job);
    for (int i = 0; i < N; i++) CHECK(alike(covariance[i], std[i] * std[i]));
    FAILS(ASTROML_EINVAL, "skewness", astroml_moment_moments(&job, NULL, NULL, NULL, mean, NULL, net, x, shape, 2));
    OK(astroml_moment_gradient(&job, gradient, net, x, shape, 2, 0));
    finish(job);
    astroml_free(job);
    for (int i = 0; i < 2 * N; i++) CHECK(gradient[i] > 0 && gradient[i] < 2);

    OK(astroml_moment_save(net, "build/ctest.safetensors"));
    OK(astroml_moment_load(&again, "build/ctest.safetensors"));
    OK(astroml_moment_predict(covariance, NULL, again, x, shape, 2));
    CHECK(memcmp(mean, covariance, sizeof mean) == 0);
    FAILS(ASTROML_EIO, "no such", astroml_moment_load(&again, "build/no such file"));
    FAILS(ASTROML_EINVAL, "no handle of a moment network", astroml_moment_save(0, "build/x"));
    astroml_free(net);
    astroml_free(again);
}

/* The same numbers as in Go and Python; the tolerance is that of moment_test.go. */
static void test_golden_moment(const char *spectra) {
    astroml_moment_network net = 0;
    astroml_job job = 0;
    int64_t count, n, p, values, moments;
    int32_t has_covariance;
    char folder[1000], path[1100];
    float mean[64], std[64], covariance[64], skewness[64], kurtosis[64], gradient[256];
    static const char *const names[] = {"mean.f32", "std.f32", "covariance.f32", "skewness.f32", "kurtosis.f32", "gradient.f32"};
    const float *const got[] = {mean, std, covariance, skewness, kurtosis, gradient};

    snprintf(folder, sizeof folder, "%s/../moment", spectra);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    float *x = numbers(folder, "x.f32", 4, &count);
    OK(astroml_moment_load(&net, path));
    OK(astroml_moment_sizes(&p, &values, &moments, &has_covariance, net));
    n = count / 16;
    CHECK(p == 2 && values == 16 && moments == 4 && has_covariance == 1 && n == 6);
    const int64_t shape[] = {n, 2, 8};
    OK(astroml_moment_predict(mean, std, net, x, shape, 3));
    OK(astroml_moment_moments(&job, NULL, NULL, covariance, skewness, kurtosis, net, x, shape, 3));
    finish(job);
    astroml_free(job);
    OK(astroml_moment_gradient(&job, gradient, net, x, shape, 3, 1));
    finish(job);
    astroml_free(job);
    for (int k = 0; k < 6; k++) {
        float *want = numbers(folder, names[k], 4, &count);
        CHECK(count == n * (k == 2 ? 4 : k == 5 ? values : p));
        for (int64_t i = 0; i < count; i++) CHECK(alike(got[k][i], want[i]));
        free(want);
    }
    free(x);
    astroml_free(net);
}

int main(int argc, char **argv) {
    test_errors();
    test_rebin();
    test_statistics();
    struct set s = simulate("{\"per_class\": 3, \"seed\": 1}");
    test_training(s);
    free(s.flux), free(s.ivar), free(s.wave), free(s.labels);
    test_synthesis();
    test_moments();
    if (argc > 1) {
        test_golden(argv[1]);
        test_golden_moment(argv[1]);
    }
    printf("C: %s\n", failures ? "FAILED" : "ok");
    return failures != 0;
}
