# What is done to modules of others when they are imported, and not before: nothing is slow that is not used.

import importlib.abc
import importlib.machinery


def with_cjk_font(module):
    """Characters that the chosen font lacks come from an installed CJK font."""
    known = ("Noto Sans CJK", "Noto Sans SC", "Noto Sans TC", "Noto Sans JP", "Noto Sans KR", "Source Han Sans")
    known += ("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "PingFang", "Hiragino Sans", "Microsoft YaHei", "SimHei")
    known += ("Droid Sans Fallback", "Noto Serif CJK", "AR PL", "IPAGothic", "IPAexGothic", "NanumGothic")
    manager = module.FontManager
    find = manager._find_fonts_by_props
    chosen = []

    def fallback(self):
        if not chosen:
            fonts = {font.name: font.fname for font in self.ttflist}
            for prefix in known:
                names = sorted(name for name in fonts if name.startswith(prefix))
                if names:
                    simplified = [name for name in names if "SC" in name.split() or name == prefix]
                    chosen.append(fonts[(simplified or names)[0]])
                    break
            else:
                chosen.append(None)
        return chosen[0]

    def with_fallback(self, *args, **kwargs):
        paths = list(find(self, *args, **kwargs))
        more = fallback(self)
        if more and more not in paths:
            paths.append(more)
        return paths

    manager._find_fonts_by_props = with_fallback


def with_shown_images(module):
    """`Image.show()` shows the picture here instead of looking for a program with a window."""
    from IPython.display import display

    class Viewer(module.Viewer):
        def show(self, image, **options):
            display(image)
            return 1

    module.register(Viewer(), 0)


def with_shown_arrays(module):
    """`cv2.imshow` shows the picture here, one for each window; what else belongs to windows does nothing."""
    if not hasattr(module, "imencode"):
        return

    def imshow(name, picture):
        from IPython.display import Image, display

        done, data = module.imencode(".png", module.UMat.get(picture) if isinstance(picture, module.UMat) else picture)
        if done:
            # okcvm takes what replaces nothing as something new.
            display(Image(data=data.tobytes(), format="png"), display_id=f"cv2:{name}", update=True)

    module.imshow = imshow
    module.waitKey = module.waitKeyEx = module.pollKey = lambda delay=0: -1
    for name in ("namedWindow", "destroyWindow", "destroyAllWindows", "moveWindow", "resizeWindow", "setWindowTitle"):
        setattr(module, name, lambda *args, **kwargs: None)


ON_IMPORT = {
    "matplotlib.font_manager": with_cjk_font,
    "PIL.ImageShow": with_shown_images,
    "cv2": with_shown_arrays,
}


class OnImport(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        change = ON_IMPORT.get(name)
        spec = change and importlib.machinery.PathFinder.find_spec(name, path, target)
        if not spec or not spec.loader:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            try:
                change(module)
            except Exception:
                # A version that is made otherwise is used as it is.
                pass

        spec.loader.exec_module = exec_module
        return spec


