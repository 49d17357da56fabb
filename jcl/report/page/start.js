for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
startTable();
startCurves();
startPictures();
changed();
