"""Makes the FITS files of this folder, and expected.json with what astropy reads in them.

Run as: python make.py   (astropy, numpy; versions are recorded in expected.json)
Everything is synthetic: random numbers in the layouts that the surveys' data models describe.
"""

import gzip
import json
import os
import platform
import warnings

import astropy
import numpy as np
from astropy.io import fits

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20240501)
expected = {"made_with": {"python": platform.python_version(), "astropy": astropy.__version__, "numpy": np.__version__}}
warnings.simplefilter("ignore")


def path(name):
    return os.path.join(HERE, name)


def plain(x):
    """Nested lists of numbers that JSON has; NaN is null."""
    x = np.asarray(x)
    if x.dtype.kind in "SU":
        return [str(v.decode() if isinstance(v, bytes) else v) for v in x.ravel()]
    return [None if not np.isfinite(v) else float(v) for v in x.ravel().astype(float)]


def write(name, hdus):
    plain_name = name.removesuffix(".gz")
    fits.HDUList(hdus).writeto(path(plain_name), overwrite=True, output_verify="silentfix")
    if name != plain_name:
        pack(plain_name)


def pack(name):
    """Compresses a file to the same bytes whenever it is made."""
    with open(path(name), "rb") as f, open(path(name + ".gz"), "wb") as g:
        with gzip.GzipFile(filename="", mode="wb", fileobj=g, mtime=0) as z:
            z.write(f.read())
    os.remove(path(name))


# ---------------------------------------------------------------- images of all types

def images():
    shape = (3, 4, 5)
    raw = rng.integers(-100, 100, shape)
    hdus = [fits.PrimaryHDU()]
    h = hdus[0].header
    h["OBJECT"] = "it's a cube"
    h["LONG"] = "a text of more than sixty-eight characters, which needs a CONTINUE card or two to be written whole"
    h["HIERARCH ESO DET DIT"] = 1.5
    h["EXPTIME"] = (1.25e3, "s")
    h["COUNT"] = 42
    h["GOOD"] = True
    for name, dtype in [("U8", "u1"), ("I16", "i2"), ("I32", "i4"), ("I64", "i8"), ("F32", "f4"), ("F64", "f8"), ("U16", "u2"), ("U32", "u4")]:
        data = (raw + (200 if dtype[0] == "u" else 0)).astype(dtype)
        if dtype == "u1":
            data = (raw + 100).astype(dtype)
        if dtype[0] == "f":
            data = (raw * 1.25).astype(dtype)
            data[1, 2, 3] = np.nan
        hdus.append(fits.ImageHDU(data, name=name))
    # Scaled integers with blank pixels, as the file has them.
    scaled = fits.ImageHDU(raw.astype("i2"), name="SCALED")
    hdus.append(scaled)
    big = np.cumsum(rng.integers(-3, 4, (6, 40)), axis=1)
    noise = rng.integers(-(2**31), 2**31, (6, 40))
    for name, data, kind, tile in [
        ("RICE8", (big % 200).astype("u1"), "RICE_1", None),
        ("RICE16", big.astype("i2"), "RICE_1", None),
        ("RICE32", (big * 1000).astype("i4"), "RICE_1", None),
        ("RICE32NOISE", noise.astype("i4"), "RICE_1", None),
        ("RICEMASK", np.where(big % 7 == 0, 2**31 + 5, 0).astype("u4"), "RICE_1", None),
        ("RICETILES", big.astype("i4"), "RICE_1", (4, 15)),
        ("GZIP1", big.astype("i4"), "GZIP_1", None),
        ("GZIP2", big.astype("i2"), "GZIP_2", None),
        ("GZIPCUBE", rng.integers(0, 9, (3, 5, 7)).astype("i4"), "GZIP_1", (2, 2, 4)),
    ]:
        hdus.append(fits.CompImageHDU(data, name=name, compression_type=kind, tile_shape=tile))
    hdus.append(fits.CompImageHDU((big * 0.1).astype("f4"), name="GZIPFLOAT", compression_type="GZIP_1", quantize_level=0.0))
    hdus.append(fits.CompImageHDU((big * 0.1).astype("f4"), name="QUANTISED", compression_type="RICE_1", quantize_level=16.0, quantize_method=-1))
    hdus.append(fits.CompImageHDU(big.astype("i4"), name="HCOMPRESS", compression_type="HCOMPRESS_1"))
    write("images.fits", hdus)
    with fits.open(path("images.fits"), mode="update", do_not_scale_image_data=True) as f:
        h = f["SCALED"].header
        h["BSCALE"], h["BZERO"], h["BLANK"] = 0.5, 10.0, int(raw[0, 0, 0])
    with fits.open(path("images.fits")) as f:
        expected["images"] = {
            h.name: {"shape": list(h.data.shape), "data": plain(h.data)}
            for h in f[1:] if h.name not in ("QUANTISED", "HCOMPRESS")
        }
    pack("images.fits")


# ---------------------------------------------------------------- a table of all types

def table():
    n = 7
    vla = np.empty(n, dtype=object)
    for i in range(n):
        vla[i] = rng.normal(size=3).astype("f4")
    columns = [
        fits.Column("logical", "L", array=rng.integers(0, 2, n).astype(bool)),
        fits.Column("byte", "B", array=rng.integers(0, 256, n).astype("u1")),
        fits.Column("short", "I", array=rng.integers(-999, 999, n).astype("i2")),
        fits.Column("ushort", "I", bzero=32768, array=rng.integers(0, 65536, n).astype("u2")),
        fits.Column("int", "J", null=-1, array=np.array([1, 2, -1, 4, 5, -1, 7], "i4")),
        fits.Column("long", "K", array=rng.integers(-(2**62), 2**62, n)),
        fits.Column("ulong", "K", bzero=2**63, array=rng.integers(0, 2**62, n).astype("u8")),
        fits.Column("float", "E", unit="nm", array=rng.normal(size=n).astype("f4")),
        fits.Column("double", "D", array=rng.normal(size=n)),
        fits.Column("text", "8A", array=np.array(["a", "bc", "", "it's", " lead", "12345678", "x y"])),
        fits.Column("vector", "4E", array=rng.normal(size=(n, 4)).astype("f4")),
        fits.Column("matrix", "6J", dim="(3,2)", array=rng.integers(0, 99, (n, 2, 3)).astype("i4")),
        fits.Column("bits", "11X", array=rng.integers(0, 2, (n, 11)).astype(bool)),
        fits.Column("complex", "C", array=(rng.normal(size=n) + 1j).astype("c8")),
        fits.Column("many", "PE()", array=vla),
        fits.Column("empty", "0E", array=np.zeros((n, 0), "f4")),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="ALLTYPES")
    scaled = fits.BinTableHDU.from_columns([fits.Column("counts", "I", array=np.arange(n, dtype="i2")), fits.Column("flux", "E", array=np.arange(n, dtype="f4"))], name="SCALED")
    write("table.fits", [fits.PrimaryHDU(), hdu, scaled])
    with fits.open(path("table.fits"), mode="update") as f:
        h = f["SCALED"].header
        h["TSCAL1"], h["TZERO1"], h["TNULL1"] = 0.25, 100.0, 3
        h["TSCAL2"] = 2.0
    with fits.open(path("table.fits")) as f:
        d = f["ALLTYPES"].data
        t = {k: plain(d[k]) for k in ["logical", "byte", "short", "ushort", "int", "float", "double", "text", "vector", "matrix"]}
        t["int"] = [None if v == -1 else v for v in t["int"]]
        t["many"] = plain(np.concatenate(list(d["many"])))
        t["long"] = [str(v) for v in d["long"]]
        t["ulong"] = [str(v) for v in d["ulong"]]
        s = f["SCALED"].data
        t["counts"] = [None if i == 3 else v for i, v in enumerate(plain(s["counts"]))]
        t["flux"] = plain(s["flux"])
        expected["table"] = t


# ---------------------------------------------------------------- surveys

def lines(wave):
    """A continuum with a few bumps, so that plots of these files look like spectra."""
    return 10 + 3 * np.sin(wave / 50) + 20 * np.exp(-0.5 * ((wave - wave.mean()) / 3) ** 2)


def noisy(wave, n=None):
    shape = wave.shape if n is None else (n,) + wave.shape
    flux = (lines(wave) + rng.normal(size=shape)).astype("f4")
    ivar = rng.uniform(0.5, 2.0, shape).astype("f4")
    ivar[..., 3] = 0
    return flux, ivar


def record(name, flux, ivar, wave, ids, cls=None, sub=None, z=None, survey=""):
    expected[name] = {
        "survey": survey, "ids": ids, "class": cls or [""] * len(ids), "subclass": sub or [""] * len(ids),
        "z": z or [None] * len(ids), "wave": plain(wave), "flux": plain(flux), "ivar": plain(ivar),
    }


def sdss(name, full=False, field=False):
    loglam = (3.58 + 1e-4 * np.arange(80)).astype("f4")
    wave = 10.0 ** loglam.astype("f8")
    flux, ivar = noisy(wave)
    and_mask = np.zeros(80, "i4")
    and_mask[[10, 11]] = 1 << 23  # BRIGHTSKY
    and_mask[20] = 1 << 16        # NEARBADPIXEL, kept
    flux[30] = np.nan
    up = str.upper if field else str.lower
    cols = [fits.Column(up("flux"), "E", array=flux), fits.Column(up("loglam"), "E", array=loglam),
            fits.Column(up("ivar"), "E", array=ivar), fits.Column(up("and_mask"), "J", array=and_mask),
            fits.Column(up("or_mask"), "J", array=and_mask), fits.Column(up("wdisp"), "E", array=np.ones(80, "f4")),
            fits.Column(up("sky"), "E", array=np.ones(80, "f4")), fits.Column(up("model"), "E", array=lines(wave).astype("f4"))]
    coadd = fits.BinTableHDU.from_columns(cols, name="COADD")
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "SDSS 2.5-M"
    if not field:
        primary.header["PLATEID"], primary.header["MJD"], primary.header["FIBERID"] = 4055, 55359, 596
    cls = [fits.Column("CLASS", "6A", array=["GALAXY"]), fits.Column("SUBCLASS", "21A", array=["STARFORMING"]),
           fits.Column("Z", "E", array=np.array([0.0821], "f4")), fits.Column("MJD", "J", array=[55359])]
    if field:
        cls += [fits.Column("FIELD", "J", array=[101077]), fits.Column("CATALOGID", "K", array=[27021597775913012])]
        ids = ["101077-55359-27021597775913012"]
    else:
        cls += [fits.Column("PLATE", "J", array=[4055]), fits.Column("FIBERID", "J", array=[596])]
        ids = ["4055-55359-0596"]
    hdus = [primary, coadd, fits.BinTableHDU.from_columns(cls, name="SPALL" if field else "SPECOBJ"),
            fits.BinTableHDU.from_columns([fits.Column("LINENAME", "8A", array=["H_alpha"])], name="SPZLINE")]
    if full:  # the single exposures follow
        hdus += [fits.BinTableHDU.from_columns(cols[:4], name=n) for n in ("B1-00115982", "R1-00115982")]
    write(name, hdus)
    good = ~np.isin(np.arange(80), [10, 11, 30])
    record(name, flux, np.where(good, ivar, 0), wave, ids, ["GALAXY"], ["STARFORMING"], [float(np.float32(0.0821))], "SDSS")


def desi(name, compressed, shift=0.0, prefix="coadd"):
    n, step = 4, 0.8
    grid = np.round(3600 + step * np.arange(101), 1)
    arms = {"B": slice(0, 40), "R": slice(35, 75), "Z": slice(70, 101)}
    ids = [39627652591521181 + i for i in range(n)]
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(
        [fits.Column("TARGETID", "K", array=ids), fits.Column("OBJTYPE", "3A", array=["TGT"] * n)], name="FIBERMAP")]
    num, den = np.zeros((n, 101)), np.zeros((n, 101))
    for arm, s in arms.items():
        wave = grid[s] + (shift if arm == "R" else 0)
        flux, ivar = noisy(wave, n)
        mask = (rng.uniform(size=ivar.shape) < 0.1).astype("u4") << 9
        flux[1, 5], mask[1, 5] = np.nan, 0
        image = lambda data, kind: fits.ImageHDU(data, name=f"{arm}_{kind}")
        hdus += [image(wave, "WAVELENGTH"), image(flux, "FLUX"), image(ivar, "IVAR")]
        hdus += [fits.CompImageHDU(mask, name=f"{arm}_MASK", compression_type="RICE_1") if compressed else image(mask, "MASK")]
        if arm == "B":
            hdus += [image(np.ones((n, 1, wave.size), "f4"), "RESOLUTION")]
        w = np.where((mask == 0) & np.isfinite(flux), ivar, 0).astype("f8")
        num[:, s] += w * np.nan_to_num(flux)
        den[:, s] += w
    write(name, hdus)
    with np.errstate(all="ignore"):
        flux = np.where(den > 0, num / den, 0)
    record(name, flux, den, grid, [str(i) for i in ids], survey="DESI")


def lamost(name, table, log=True):
    n = 60
    primary = fits.PrimaryHDU()
    loglam = 3.5682 + 1e-4 * np.arange(n)
    wave = 10.0 ** loglam
    flux, ivar = noisy(wave)
    andmask = np.zeros(n)
    andmask[7] = 2
    if table:
        cols = [fits.Column(k, f"{n}E", array=[v]) for k, v in
                [("FLUX", flux), ("IVAR", ivar), ("WAVELENGTH", wave), ("ANDMASK", andmask), ("ORMASK", andmask), ("NORMALIZATION", flux / 10)]]
        hdus = [primary, fits.BinTableHDU.from_columns(cols, name="COADD")]
        wave = wave.astype("f4").astype("f8")
    else:
        primary = fits.PrimaryHDU(np.stack([flux, ivar, wave, andmask, andmask]).astype("f4"))
        hdus = [primary]
    h = primary.header
    h["TELESCOP"], h["OBSID"], h["CLASS"], h["SUBCLASS"], h["Z"] = "LAMOST", 101012, "STAR", "G2", 0.000123
    h["CRVAL1"], h["CD1_1"], h["CRPIX1"], h["DC-FLAG"], h["VACUUM"] = 3.5682, 1e-4, 1, 1, True
    if log and not table:
        h["COEFF0"], h["COEFF1"] = 3.5682, 1e-4
    write(name, hdus)
    record(name, flux, np.where(andmask == 0, ivar, 0), wave, ["101012"], ["STAR"], ["G2"], [0.000123], "LAMOST")


def ciddor(vacuum):
    """Refractive index of standard air, Ciddor (1996), as in the SDSS and VALD notes; wavelengths in Å."""
    s = (1e4 / vacuum) ** 2
    return 1 + 0.05792105 / (238.0185 - s) + 0.00167917 / (57.362 - s)


def fourmost(name, rows=None, unit="Angstrom", per="1", air=False, pixels=False, utypes=False, ivar_column=False):
    """rows: None for one spectrum; pixels: one row a pixel instead of vectors."""
    n = 90
    vacuum = 5000 + 0.25 * np.arange(n)
    wave = vacuum / ciddor(vacuum) if air else vacuum
    stored = wave / {"Angstrom": 1, "nm": 10, "um": 1e4}[unit]
    many = rows or 1
    flux = ((lines(wave) + rng.normal(size=(many, n))) * 1e-17).astype("f4")
    err = (rng.uniform(0.5, 2.0, (many, n)) * 1e-17).astype("f4")
    qual = np.zeros((many, n), "i4")
    qual[:, 12] = 1
    err[:, 13], err[:, 14], flux[:, 15] = np.nan, -1e-17, np.nan
    sigma = err.astype("f8") * 1e17
    with np.errstate(all="ignore"):
        ivar = np.where((err > 0) & np.isfinite(flux) & (qual == 0), sigma**-2.0, 0)
    funit = "erg/(s*cm^2*Angstrom)"
    form = (lambda t: t) if pixels else (lambda t: f"{n}{t}")
    data = (lambda a: a[0]) if pixels else (lambda a: a)
    noise = (1 / (err.astype("f8") ** 2) if ivar_column else err)
    cols = [fits.Column("WAVE", form("D"), unit=unit, array=data(np.tile(stored, (many, 1)))),
            fits.Column("FLUX", form("E"), unit=funit, array=data(flux)),
            fits.Column("IVAR" if ivar_column else "ERR_FLUX", form("D" if ivar_column else "E"), unit=funit, array=data(noise)),
            fits.Column("QUAL", form("J"), null=-1, array=data(qual)),
            fits.Column("FLUX_NOSS", form("E"), unit=funit, array=data(flux * 0)),
            fits.Column("ERR_FLUX_NOSS", form("E"), unit=funit, array=data(err * 0))]
    if ivar_column:  # a negative error has a positive square
        ivar[:, 14] = np.where(np.isfinite(flux[:, 14]), 1.0, 0)
    ids = ["4MOST J123456.78-012345.6"]
    cls = sub = z = None
    if rows:
        ids = [f"4MOST J0000{i:02d}" for i in range(rows)]
        cls, sub, z = ["QSO"] * rows, [""] * rows, [1.5 + i for i in range(rows)]
        cols += [fits.Column("CNAME", "24A", array=ids), fits.Column("CLASS", "8A", array=cls), fits.Column("Z", "D", array=z)]
    hdu = fits.BinTableHDU.from_columns(cols, name="SPECTRUM" if utypes else "PHASE3SPECTRUM")
    if utypes:  # names that say nothing: the utypes must do
        for i, (n_, u, c) in enumerate([("lam", "spec:Data.SpectralAxis.Value", "em.wl" + (";obs.atmos" if air else "")),
                                        ("f", "spec:Data.FluxAxis.Value", "phot.flux.density;em.wl;meta.main"),
                                        ("e", "spec:Data.FluxAxis.Accurancy.StatError", "stat.error;phot.flux.density;meta.main"),
                                        ("q", "spec:Data.FluxAxis.Accuracy.QualityStatus", "meta.code.qual"),
                                        ("sky", "eso:Data.BackgroundModel.Value", "phot.flux.density;em.wl;stat.uncalib"),
                                        ("raw", "eso:Data.FluxAxis.Value", "phot.flux.density;em.wl;stat.uncalib")], 1):
            hdu.header[f"TTYPE{i}"], hdu.header[f"TUTYP{i}"], hdu.header[f"TUCD{i}"] = n_, u, c
    elif air:
        hdu.header["AIRORVAC"] = "air"
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"], primary.header["INSTRUME"], primary.header["OBJECT"] = "ESO-VISTA", "QMOST", ids[0]
    write(name, [primary, hdu])
    record(name, flux.astype("f8") * 1e17, ivar, vacuum, ids, cls, sub, z, "4MOST")


images()
table()
sdss("spec-4055-55359-0596.fits")
sdss("spec-4055-55359-0596-full.fits", full=True)
sdss("spec-101077-55359-27021597775913012.fits", field=True)
desi("coadd-sv3-dark-26065.fits", compressed=True)
desi("spectra-sv3-dark-26065.fits.gz", compressed=False)
desi("desi-misaligned.fits.gz", compressed=False, shift=0.3)
lamost("spec-55859-F5902_sp01-001.fits.gz", table=False)
lamost("lamost-dr1-crval.fits", table=False, log=False)
lamost("spec-57035-HD111424N200151V01_sp14-102.fits", table=True)
fourmost("4most-one.fits")
fourmost("4most-rows.fits", rows=3, unit="nm")
fourmost("4most-air.fits", air=True)
fourmost("4most-utypes-air.fits", air=True, utypes=True)
fourmost("4most-pixels.fits", pixels=True, unit="um", ivar_column=True)

expected.pop("desi-misaligned.fits.gz")
with open(path("expected.json"), "w") as f:
    json.dump(expected, f, separators=(",", ":"))
    f.write("\n")
